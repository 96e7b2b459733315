/**
 * @file The composer: a text field that grows and saves its draft. Enter sends, Shift+Enter inserts
 * a line break, the Enter of an input method does neither.
 */

const CONTENT_MAX = 1000;
const COUNT_FROM = CONTENT_MAX * 0.9;
const DRAFT_MS = 300;
const TYPING_EVERY_MS = 3_000;
const TYPING_IDLE_MS = 5_000;

/** @param {string} text @returns {number} code points, as the server counts */
const length = (text) => [...text].length;

export class Composer {
  #form;
  #field;
  #send;
  #note;
  #hooks;
  #draftKey = '';
  #draftTimer = 0;
  #idleTimer = 0;
  #limitTimer = 0;
  #limitedUntil = 0;
  #typedAt = -Infinity;
  #full = false;

  /**
   * @param {HTMLFormElement} form
   * @param {object} hooks
   * @param {(content: string) => boolean} hooks.onSend false: not accepted, the draft stays
   * @param {(typing: boolean) => void} hooks.onTyping
   * @param {() => void} hooks.onInput
   */
  constructor(form, hooks) {
    this.#form = form;
    this.#hooks = hooks;
    this.#field = form.querySelector('textarea');
    this.#send = form.querySelector('[type=submit]');
    this.#note = document.getElementById('composer-note');
    this.#field.addEventListener('input', () => this.#changed());
    this.#field.addEventListener('keydown', (event) => this.#key(event));
    this.#field.addEventListener('blur', () => this.#stopTyping());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    addEventListener('pagehide', () => this.#saveDraft());
    addEventListener('resize', () => this.#fit());
    document.addEventListener('keydown', (event) => this.#strayKey(event));
  }

  get draft() {
    return this.#field.value;
  }

  get hasFocus() {
    return this.#form.contains(document.activeElement);
  }

  focus() {
    this.#field.focus();
  }

  /** @param {string} room whose draft to show */
  open(room) {
    this.#draftKey = `parley.draft.${room}`;
    try {
      this.#field.value = sessionStorage.getItem(this.#draftKey) ?? '';
    } catch {
      this.#field.value = '';
    }
    this.#form.hidden = false;
    this.#draw();
    this.#fit();
  }

  close() {
    this.#stopTyping();
    this.#saveDraft();
    this.#form.hidden = true;
    this.#note.textContent = '';
  }

  /** @param {string} name */
  address(name) {
    this.#field.placeholder = name ? `Message ${name}` : 'Write a message';
  }

  /** The rate limit was reached; the draft stays. @param {number} seconds */
  limit(seconds) {
    this.#limitedUntil = performance.now() + seconds * 1000;
    this.#draw();
  }

  /** @param {boolean} full the outbox has reached its limit */
  hold(full) {
    this.#full = full;
    this.#draw();
  }

  #key(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit();
  }

  /** A letter that is typed outside any control goes to the composer. */
  #strayKey(event) {
    const letter = event.key.length === 1 && event.key !== ' ' && !event.ctrlKey && !event.metaKey && !event.altKey;
    const control = document.activeElement?.closest('a, button, input, textarea, select, summary, [contenteditable]');
    if (letter && !control && !event.defaultPrevented && this.#form.offsetParent !== null) this.#field.focus();
  }

  #submit() {
    const content = this.#field.value;
    if (this.#refusal() || content.trim() === '' || !this.#hooks.onSend(content)) return;
    this.#field.value = '';
    this.#changed();
    this.#saveDraft();
    this.#field.focus();
  }

  #changed() {
    this.#draw();
    this.#fit();
    this.#hooks.onInput();
    clearTimeout(this.#draftTimer);
    this.#draftTimer = setTimeout(() => this.#saveDraft(), DRAFT_MS);
    if (this.#field.value.trim() === '') this.#stopTyping();
    else this.#type();
  }

  /** @returns {string} why the text cannot be sent, or '' */
  #refusal() {
    const pause = Math.ceil((this.#limitedUntil - performance.now()) / 1000);
    if (pause > 0) return `Too fast. Try again in ${pause} s.`;
    if (this.#full) return 'Too many messages are waiting for the connection. Your text stays here.';
    const over = length(this.#field.value) - CONTENT_MAX;
    return over > 0 ? `Too long by ${over}. A message can have ${CONTENT_MAX} characters.` : '';
  }

  #draw() {
    clearTimeout(this.#limitTimer);
    const refusal = this.#refusal();
    const count = length(this.#field.value);
    this.#note.textContent = refusal || (count >= COUNT_FROM ? `${CONTENT_MAX - count} characters left` : '');
    this.#note.dataset.over = String(refusal !== '');
    this.#send.setAttribute('aria-disabled', String(refusal !== '' || this.#field.value.trim() === ''));
    const wait = this.#limitedUntil - performance.now();
    if (wait > 0) this.#limitTimer = setTimeout(() => this.#draw(), wait % 1000 || 1000);
  }

  #fit() {
    this.#field.style.blockSize = 'auto';
    this.#field.style.blockSize = `${this.#field.scrollHeight + 2}px`;
  }

  #saveDraft() {
    clearTimeout(this.#draftTimer);
    if (!this.#draftKey) return;
    try {
      if (this.#field.value) sessionStorage.setItem(this.#draftKey, this.#field.value);
      else sessionStorage.removeItem(this.#draftKey);
    } catch {
      // Storage is forbidden or full: the draft is lost when the page is closed.
    }
  }

  #type() {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#stopTyping(), TYPING_IDLE_MS);
    if (performance.now() - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = performance.now();
    this.#hooks.onTyping(true);
  }

  #stopTyping() {
    clearTimeout(this.#idleTimer);
    if (this.#typedAt === -Infinity) return;
    this.#typedAt = -Infinity;
    this.#hooks.onTyping(false);
  }
}
