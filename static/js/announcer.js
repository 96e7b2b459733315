/**
 * @file Announcements for screen readers, and the unread count in the tab's title. The log itself is
 * silent: each incoming message is one short announcement, a burst is a single one.
 */

const GONE_MS = 7_000;
const BURST_MS = 2_000;
const BURST_MAX = 3;

export class Announcer {
  #polite;
  #assertive;
  /** @type {string[]} */ #held = [];
  #timer = 0;

  /** @param {HTMLElement} polite @param {HTMLElement} assertive */
  constructor(polite, assertive) {
    this.#polite = polite;
    this.#assertive = assertive;
  }

  /** @param {string} text */
  say(text) {
    this.#put(this.#polite, text);
  }

  /** @param {string} text */
  interrupt(text) {
    this.#put(this.#assertive, text);
  }

  /** Announces the first message at once, those of the next two seconds together. @param {string} text */
  message(text) {
    if (this.#timer) {
      this.#held.push(text);
      return;
    }
    this.say(text);
    this.#hold();
  }

  #hold() {
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      const held = this.#held.splice(0);
      if (held.length === 0) return;
      if (held.length < BURST_MAX) for (const text of held) this.say(text);
      else this.say(`${held.length} new messages`);
      this.#hold();
    }, BURST_MS);
  }

  #put(region, text) {
    const line = document.createElement('p');
    line.textContent = text;
    region.append(line);
    setTimeout(() => line.remove(), GONE_MS);
  }
}

/** Counts, in the title, what arrives while the tab is hidden. */
export class TabTitle {
  #plain = document.title;
  #unread = 0;

  constructor() {
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      this.#unread = 0;
      document.title = this.#plain;
    });
  }

  /** @param {string} text such as "Stranger: new message" */
  note(text) {
    if (!document.hidden) return;
    this.#unread += 1;
    document.title = `(${this.#unread}) ${text}`;
  }
}
