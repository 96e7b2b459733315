/**
 * @file The list of messages: rows in the server's order, then own rows that the server has not yet
 * confirmed. New rows do not move the reader's place. Text of people enters the page as text nodes only.
 */

import { timeOfDay, parseTime } from './clock.js';

const ROWS_MAX = 400;
const GROUP_MS = 5 * 60_000;
const SENDING_WORD_MS = 3_000;
const AT_BOTTOM_PX = 48;

/**
 * @typedef {{id?: string, seq?: number, author?: any, content?: string, created_at?: string,
 *   edited_at?: string|null, deleted?: boolean, client_id?: string}} Message
 */

export class Messages {
  #scroller;
  #list;
  #pill;
  #template;
  #actions;
  #unseen = 0;
  #atBottom = true;
  /** @type {Map<string, HTMLElement>} */ #byId = new Map();
  /** @type {Map<string, HTMLElement>} own rows that are not yet confirmed, by client_id */ #pending = new Map();

  /**
   * @param {HTMLElement} root
   * @param {{onRetry: (clientId: string) => void, onDelete: (clientId: string) => void}} hooks
   */
  constructor(root, hooks) {
    this.#scroller = root.querySelector('[role=log]');
    this.#list = root.querySelector('ol');
    this.#pill = root.querySelector('.unseen');
    this.#template = document.getElementById('row');
    this.#actions = document.getElementById('row-actions');
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#atBottom && this.#toBottom()).observe(this.#scroller);
    this.#pill.addEventListener('click', () => {
      this.#toBottom();
      this.#scroller.focus({ preventScroll: true });
    });
    this.#list.addEventListener('click', (event) => this.#acted(event, hooks));
  }

  clear() {
    this.#list.replaceChildren();
    this.#byId.clear();
    this.#pending.clear();
    this.#atBottom = true;
    this.#seen();
  }

  /**
   * Shows a message of the server. Idempotent.
   * @param {Message} message
   * @param {{own: boolean, name: string, clientId?: string}} as clientId: of the own row that it confirms
   * @returns {boolean} whether it was not shown before
   */
  show(message, { own, name, clientId }) {
    const known = message.id ? this.#byId.get(message.id) : undefined;
    const waiting = clientId ? this.#pending.get(clientId) : undefined;
    if (clientId) this.#pending.delete(clientId);
    if (known) {
      if (waiting && waiting !== known) waiting.remove();
      return false;
    }
    const row = waiting ?? this.#row(String(message.content ?? ''), { own, name });
    const stick = this.#atBottom || own;
    row.dataset.state = 'sent';
    row.querySelector('.row-actions')?.remove();
    if (message.id) this.#byId.set(message.id, row);
    row.dataset.id = message.id ?? '';
    this.#label(row, { own, name, when: parseTime(message.created_at), status: own ? 'Sent' : '' });
    row.dataset.seq = String(Number(message.seq) || 0);
    if (message.edited_at) this.#label(row, { status: '(edited)' });
    if (message.deleted) this.#blank(row);
    this.#place(row, Number(message.seq) || 0);
    this.#settle(row, stick, own);
    return true;
  }

  /** Shows a message that is being sent. @param {import('./outbox.js').Post} post */
  await(post) {
    if (this.#pending.has(post.client_id)) return;
    const row = this.#row(post.content, { own: true, name: 'You' });
    row.dataset.client = post.client_id;
    this.#pending.set(post.client_id, row);
    this.#label(row, { own: true, name: 'You', when: post.at, status: '' });
    this.#list.append(row);
    this.#settle(row, true, true);
    if (post.failed) this.fail(post.client_id, post.why ?? '');
    else this.#waits(row);
  }

  /** @param {string} clientId @param {string} why @param {boolean} [final] it cannot be retried */
  fail(clientId, why, final = false) {
    const row = this.#pending.get(clientId);
    if (!row) return;
    row.dataset.state = 'failed';
    this.#label(row, { status: why ? `Not sent. ${why}` : 'Not sent' });
    if (!row.querySelector('.row-actions')) row.append(this.#actions.content.cloneNode(true));
    row.querySelector('[data-action=retry]').hidden = final;
    this.#settle(row, this.#atBottom, true);
  }

  /** @param {string} id @param {string} content @param {unknown} editedAt */
  edit(id, content, editedAt) {
    const row = this.#byId.get(id);
    if (!row) return;
    row.querySelector('.bubble').textContent = content;
    const when = parseTime(editedAt);
    this.#label(row, { status: Number.isNaN(when) ? '(edited)' : `(edited ${timeOfDay(when)})` });
  }

  /** @param {string} id */
  delete(id) {
    const row = this.#byId.get(id);
    if (row) this.#blank(row);
  }

  /** Shows a notice in the list. @param {string} text @param {string} [kind] for style and tests @param {number} [seq] */
  notice(text, kind = 'notice', seq = 0) {
    const row = document.createElement('li');
    row.className = 'notice';
    row.dataset.test = kind;
    row.textContent = text;
    const stick = this.#atBottom;
    if (seq) this.#place(row, seq);
    else if (kind === 'gap' && this.#byId.size === 0) this.#list.prepend(row);
    else this.#list.insertBefore(row, this.#pending.values().next().value ?? null);
    if (stick) this.#toBottom();
  }

  get isEmpty() {
    return this.#byId.size === 0;
  }

  /** Downloads the conversation as a text file. */
  save() {
    const rows = [...this.#list.querySelectorAll('.row')];
    const lines = rows.map((row) => `${row.querySelector('.who').textContent} ${row.querySelector('.bubble').textContent}\n`);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob(lines, { type: 'text/plain' }));
    link.download = 'parley.txt';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  #row(content, { own, name }) {
    const row = this.#template.content.firstElementChild.cloneNode(true);
    row.dataset.own = String(own);
    row.dataset.author = name;
    row.dataset.state = 'sending';
    row.querySelector('.bubble').textContent = content;
    return row;
  }

  #label(row, { own, name, when, status }) {
    if (when !== undefined) {
      const at = Number.isNaN(when) ? Date.now() : when;
      const time = row.querySelector('time');
      row.dataset.at = String(at);
      time.textContent = timeOfDay(at);
      time.dateTime = new Date(at).toISOString();
      row.querySelector('.who').textContent = `${own ? 'You' : name}, ${timeOfDay(at)}:`;
    }
    if (status !== undefined) row.querySelector('.status').textContent = status;
  }

  #waits(row) {
    row.dataset.state = 'sending';
    row.querySelector('.row-actions')?.remove();
    setTimeout(() => row.dataset.state === 'sending' && this.#label(row, { status: 'Sending' }), SENDING_WORD_MS);
  }

  #blank(row) {
    row.classList.add('deleted');
    row.querySelector('.bubble').textContent = 'Message deleted';
  }

  /** Orders confirmed rows by seq; unconfirmed rows come after them. */
  #place(row, seq) {
    let before = this.#pending.values().next().value ?? null;
    let last = before ? before.previousElementSibling : this.#list.lastElementChild;
    while (last && (last === row || Number(last.dataset.seq ?? 0) > seq)) {
      if (last !== row) before = last;
      last = last.previousElementSibling;
    }
    if (row.parentNode !== this.#list || row.nextElementSibling !== before) this.#list.insertBefore(row, before);
  }

  #settle(row, stick, own) {
    this.#group(row);
    if (row.nextElementSibling) this.#group(row.nextElementSibling);
    if (stick) this.#toBottom();
    else if (!own) {
      this.#unseen += 1;
      this.#pill.textContent = `${this.#unseen} new`;
      this.#pill.hidden = false;
    }
    if (!stick || this.#list.childElementCount <= ROWS_MAX) return;
    const oldest = this.#list.firstElementChild;
    this.#byId.delete(oldest.dataset.id ?? '');
    oldest.remove();
  }

  /** Groups rows of one author within five minutes; only the last one shows its time. */
  #group(row) {
    const above = row.previousElementSibling;
    if (!above?.classList.contains('row')) return;
    const near = Number(row.dataset.at) - Number(above.dataset.at) < GROUP_MS;
    above.classList.toggle('joined', near && above.dataset.own === row.dataset.own && above.dataset.author === row.dataset.author);
  }

  #acted(event, { onRetry, onDelete }) {
    const action = event.target instanceof Element ? event.target.closest('button')?.dataset.action : undefined;
    const row = event.target instanceof Element ? event.target.closest('.row') : null;
    if (!action || !row) return;
    const clientId = row.dataset.client ?? '';
    if (action === 'copy') {
      navigator.clipboard?.writeText(row.querySelector('.bubble').textContent).then(
        () => { event.target.textContent = 'Copied'; },
        () => { event.target.textContent = 'Select the text to copy it'; },
      );
      return;
    }
    this.#scroller.focus({ preventScroll: true });
    if (action === 'retry') {
      this.#label(row, { status: '' });
      this.#waits(row);
      onRetry(clientId);
    } else if (action === 'delete') {
      this.#pending.delete(clientId);
      row.remove();
      onDelete(clientId);
    }
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#atBottom = scrollHeight - scrollTop - clientHeight < AT_BOTTOM_PX;
    if (this.#atBottom) this.#seen();
  }

  #toBottom() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#atBottom = true;
    this.#seen();
  }

  #seen() {
    this.#unseen = 0;
    this.#pill.hidden = true;
  }
}
