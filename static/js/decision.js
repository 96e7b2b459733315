/**
 * @file The questions of a timed room and their outcome: the decision at the end of the countdown,
 * a partner's early request to keep talking, and the result. All are placed above the composer.
 * The questions do not take the focus or interrupt typing.
 */

/** @param {HTMLElement} root @param {string} name @returns {any} */
const button = (root, name) => root.querySelector(`[data-test=${name}]`);

/** @param {HTMLElement} panel @param {HTMLElement} next receives the focus if it was inside */
function put(panel, hidden, next) {
  const had = hidden && panel.contains(document.activeElement);
  panel.hidden = hidden;
  if (had) next.focus();
}

export class Decision {
  #panel;
  #choices;
  #answered;
  #next;
  #name = '';
  #left = 0;
  #offline = false;
  /** @type {'keep'|null} */ #answer = null;

  /**
   * @param {HTMLElement} panel
   * @param {HTMLElement} next receives the focus when a focused button is hidden
   * @param {(answer: 'keep'|'end') => void} onAnswer
   */
  constructor(panel, next, onAnswer) {
    this.#panel = panel;
    this.#next = next;
    this.#choices = panel.querySelector('.choices');
    this.#answered = panel.querySelector('.answered');
    button(panel, 'keep').addEventListener('click', () => onAnswer('keep'));
    button(panel, 'end').addEventListener('click', () => onAnswer('end'));
    button(panel, 'change').addEventListener('click', () => {
      this.#answer = null;
      this.#draw();
      button(panel, 'end').focus();
    });
  }

  get isOpen() {
    return !this.#panel.hidden;
  }

  /** @param {string} name the partner's @param {'keep'|null} answer this person's earlier answer */
  open(name, answer) {
    this.#name = name;
    this.#answer = answer;
    this.#panel.hidden = false;
    this.#draw();
  }

  /** @param {'keep'|null} answer */
  answer(answer) {
    const had = this.#choices.contains(document.activeElement);
    this.#answer = answer;
    this.#draw();
    if (had) (answer ? button(this.#panel, 'change') : button(this.#panel, 'keep')).focus();
  }

  /** @param {number} left seconds @param {string} text m:ss */
  tick(left, text) {
    this.#left = left;
    this.#panel.querySelector('.left').textContent = text;
    this.#draw();
  }

  /** @param {boolean} offline */
  connection(offline) {
    this.#offline = offline;
    this.#draw();
  }

  close() {
    put(this.#panel, true, this.#next);
  }

  #draw() {
    const said = this.#answer !== null;
    this.#choices.hidden = said;
    this.#answered.hidden = !said;
    this.#panel.querySelector('h2').textContent = `Keep talking with ${this.#name}?`;
    this.#panel.querySelector('.said').textContent = this.#left > 0
      ? `You chose Keep talking. Waiting for your partner, ${this.#left} s`
      : 'You chose Keep talking. Waiting for the result.';
    const note = this.#panel.querySelector('.note');
    note.textContent = this.#offline
      ? `Reconnecting. ${this.#left} s left to answer. Your answer will be sent first.`
      : 'The room stays open if you both say so. Your partner sees only the result.';
  }
}

/** A partner asks to keep the room before the countdown ends. */
export class KeepRequest {
  #panel;
  #next;

  /** @param {HTMLElement} panel @param {HTMLElement} next @param {(yes: boolean) => void} onAnswer */
  constructor(panel, next, onAnswer) {
    this.#panel = panel;
    this.#next = next;
    button(panel, 'accept').addEventListener('click', () => onAnswer(true));
    button(panel, 'not-yet').addEventListener('click', () => onAnswer(false));
  }

  /** @param {string} name the partner's */
  open(name) {
    this.#panel.querySelector('h2').textContent = `${name} wants to keep talking`;
    this.#panel.hidden = false;
  }

  close() {
    put(this.#panel, true, this.#next);
  }
}

/** The outcome: a line for a kept room, a card instead of the composer for an ended one. */
export class Result {
  #card;
  #draft;

  /** @param {HTMLElement} card @param {{onNew: () => void, onSave: () => void}} hooks */
  constructor(card, { onNew, onSave }) {
    this.#card = card;
    this.#draft = card.querySelector('.unsent');
    button(card, 'new').addEventListener('click', onNew);
    button(card, 'save-log').addEventListener('click', onSave);
    button(card, 'copy-draft').addEventListener('click', (event) => {
      const copied = navigator.clipboard?.writeText(this.#draft.querySelector('p').textContent ?? '');
      copied?.then(() => { event.target.textContent = 'Copied'; }, () => {});
    });
  }

  hide() {
    this.#card.hidden = true;
  }

  /**
   * @param {'kept'|'ended'|'left'|'partner-left'|'over'} kind
   * @param {string} sentence
   * @param {string} [detail]
   * @returns {boolean} whether it was not shown before
   */
  show(kind, sentence, detail = '') {
    const shown = !this.#card.hidden && this.#card.dataset.outcome === kind;
    this.#card.dataset.outcome = kind;
    this.#card.hidden = false;
    const left = button(this.#card, 'partner-left');
    const other = button(this.#card, 'sentence');
    for (const heading of [left, other]) heading.textContent = sentence;
    left.hidden = kind !== 'partner-left';
    other.hidden = kind === 'partner-left';
    this.#card.querySelector('.detail').textContent = detail;
    this.#card.querySelector('.result-actions').hidden = kind === 'kept';
    if (kind === 'kept') this.#draft.hidden = true;
    return !shown;
  }

  /** Offers the draft and the log, where they exist. @param {{draft: string, log: boolean}} things */
  offer({ draft, log }) {
    this.#draft.hidden = draft.trim() === '';
    this.#draft.querySelector('p').textContent = draft;
    button(this.#card, 'copy-draft').textContent = 'Copy';
    button(this.#card, 'save-log').hidden = !log;
  }

  focus() {
    button(this.#card, this.#draft.hidden ? 'new' : 'copy-draft').focus();
  }
}
