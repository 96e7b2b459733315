/**
 * @file Buttons that take two presses, and the Esc key. Skip, then Really?, then the chat is over
 * and the same key finds someone new: what cannot be undone takes a second press of the same button.
 */

const ARMED_MS = 5_000;

/** A button whose first press asks, and whose second one means it. */
export class TwoPresses {
  #button;
  #label;
  #hooks;
  #timer = 0;
  #words;
  #done = '';
  #pressed = false;
  armed = false;

  /**
   * @param {HTMLButtonElement} button
   * @param {object} hooks
   * @param {() => void} hooks.onArm
   * @param {() => void} hooks.onSure
   * @param {string} [hooks.done] what it says from the second press on
   */
  constructor(button, { onArm, onSure, done = '' }) {
    this.#button = button;
    this.#label = button.querySelector('.label');
    this.#words = this.#label.textContent;
    this.#hooks = { onArm, onSure };
    this.#done = done;
    button.addEventListener('click', () => this.press());
  }

  /** As new. @param {string} [words] what it says */
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
      this.#hooks.onArm();
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
    this.#label.textContent = this.armed ? 'Really?' : (this.#pressed && this.#done) || this.#words;
    this.#button.classList.toggle('armed', this.armed);
  }
}

export class Skip extends TwoPresses {
  #badge;
  #kept = false;

  /** @param {HTMLButtonElement} button @param {{onArm: () => void, onSure: () => void}} hooks */
  constructor(button, hooks) {
    super(button, { ...hooks, done: 'Leaving' });
    this.#badge = button.querySelector('kbd');
  }

  /** @param {boolean} kept a kept room is left, not skipped, and never by a key */
  open(kept) {
    this.#kept = kept;
    this.#badge.hidden = kept;
    this.reset(kept ? 'Leave room' : 'Skip');
  }

  /** The key's press: a kept room has none. */
  pressKey() {
    if (!this.#kept) this.press();
  }
}

/**
 * Calls back when Esc is let go, unless it was an input method's, an open layer's, or was pressed
 * elsewhere.
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
