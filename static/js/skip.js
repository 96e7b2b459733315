/**
 * @file The skip button and the Esc key. Skip, then Really?, then the chat is over and the same
 * key finds someone new: what cannot be undone takes a second press of the same button.
 */

const ARMED_MS = 5_000;

export class Skip {
  #button;
  #label;
  #badge;
  #hooks;
  #timer = 0;
  #words = 'Skip';
  #kept = false;
  #leaving = false;
  armed = false;

  /**
   * @param {HTMLButtonElement} button
   * @param {{onArm: (armed: boolean) => void, onLeave: () => void}} hooks
   */
  constructor(button, hooks) {
    this.#button = button;
    this.#label = button.querySelector('.label');
    this.#badge = button.querySelector('kbd');
    this.#hooks = hooks;
    button.addEventListener('click', () => this.press());
  }

  /** @param {boolean} kept a kept room is left, not skipped, and never by a key */
  open(kept) {
    this.#kept = kept;
    this.#words = kept ? 'Leave room' : 'Skip';
    this.#badge.hidden = kept;
    this.#leaving = false;
    this.disarm();
  }

  press() {
    if (this.#leaving) return;
    if (!this.armed) {
      this.armed = true;
      this.#timer = setTimeout(() => this.disarm(), ARMED_MS);
      this.#draw();
      this.#hooks.onArm(true);
      return;
    }
    this.#leaving = true;
    this.disarm();
    this.#hooks.onLeave();
  }

  /** The key's press: a kept room has none. */
  pressKey() {
    if (!this.#kept) this.press();
  }

  disarm() {
    clearTimeout(this.#timer);
    if (this.armed) this.#hooks.onArm(false);
    this.armed = false;
    this.#draw();
  }

  #draw() {
    this.#label.textContent = this.armed ? 'Really?' : this.#leaving ? 'Leaving' : this.#words;
    this.#button.classList.toggle('armed', this.armed);
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
