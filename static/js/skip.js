/**
 * @file Buttons that need two presses, and the Esc key. Skip, then "End chat?", then the chat has ended
 * and the same key finds someone new. An action that cannot be undone needs a second press.
 */

const ARMED_MS = 5_000;

/** A button whose first press asks, and whose second press confirms. */
export class TwoPresses {
  #button;
  #label;
  #hooks;
  #timer = 0;
  #words;
  #done = '';
  #pressed = false;
  armed = false;
  /** Its label after the first press. */ question;

  /**
   * @param {HTMLButtonElement} button
   * @param {object} hooks
   * @param {string} hooks.question its label after the first press
   * @param {(question: string) => void} hooks.onArm
   * @param {() => void} hooks.onSure
   * @param {string} [hooks.done] its label after the second press
   */
  constructor(button, { question, onArm, onSure, done = '' }) {
    this.question = question;
    this.#button = button;
    this.#label = button.querySelector('.label');
    this.#words = this.#label.textContent;
    this.#hooks = { onArm, onSure };
    this.#done = done;
    button.addEventListener('click', () => this.press());
  }

  /** Back to the first press. @param {string} [words] its label */
  reset(words = this.#words) {
    this.#words = words;
    this.#pressed = false;
    this.disarm();
  }

  press() {
    if (this.#pressed) return;
    if (!this.armed) {
      this.armed = true;
      this.#timer = setTimeout(() => this.disarm(), ARMED_MS);
      this.#draw();
      this.#hooks.onArm(this.question);
      return;
    }
    this.#pressed = true;
    this.disarm();
    this.#hooks.onSure();
  }

  disarm() {
    clearTimeout(this.#timer);
    this.armed = false;
    this.#draw();
  }

  #draw() {
    this.#label.textContent = this.armed ? this.question : (this.#pressed && this.#done) || this.#words;
    this.#button.classList.toggle('armed', this.armed);
  }
}

export class Skip extends TwoPresses {
  #badge;
  #kept = false;

  /** @param {HTMLButtonElement} button @param {{onArm: (question: string) => void, onSure: () => void}} hooks */
  constructor(button, hooks) {
    super(button, { ...hooks, question: 'End chat?', done: 'Leaving' });
    this.#badge = button.querySelector('kbd');
  }

  /** @param {boolean} kept a kept room is left, not skipped, and never by a key */
  open(kept) {
    this.#kept = kept;
    this.#badge.hidden = kept;
    this.question = kept ? 'Leave room?' : 'End chat?';
    this.reset(kept ? 'Leave room' : 'Skip');
  }

  /** A press of the Esc key, which a kept room ignores. */
  pressKey() {
    if (!this.#kept) this.press();
  }
}

/**
 * Calls `act` when Esc is released, unless an input method or an open layer used the key, or it was
 * pressed elsewhere.
 * @param {() => void} act
 */
export function onEscape(act) {
  let pressed = false;
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    const layer = document.querySelector('dialog[open], :popover-open');
    pressed = !event.isComposing && event.keyCode !== 229 && !event.repeat && !event.defaultPrevented && !layer;
  });
  document.addEventListener('keyup', (event) => {
    if (event.key !== 'Escape') return;
    if (pressed && !event.isComposing) act();
    pressed = false;
  });
}
