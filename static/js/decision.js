/**
 * @file The questions of a timed room: the decision at the end of the countdown, and a partner's
 * early wish to keep talking. Both stand above the composer, take no focus and stop no typing.
 */

/** @param {HTMLElement} root @param {string} name @returns {HTMLButtonElement} */
const button = (root, name) => root.querySelector(`[data-test=${name}]`);

/** @param {HTMLElement} panel @param {HTMLElement} next where the focus goes if it was inside */
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
   * @param {HTMLElement} next takes the focus of a button that goes
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

  /** @param {string} name the partner's @param {'keep'|null} answer what this person said before */
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
      ? `Reconnecting. ${this.#left} s left to answer. Your answer goes first.`
      : 'The room stays open if you both say so. Your partner sees only the result.';
  }
}

/** A partner wants to keep the room before the time is up. */
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
