/**
 * @file Time on the page. The server is the clock: pages draw its deadlines with a monotonic clock
 * and do not count down by themselves. Also here: times in words.
 */

/** @param {number} seconds @returns {string} m:ss */
export function minutesSeconds(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

const clockFace = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

/** @param {number} when ms since 1970 @returns {string} such as 14:02 */
export const timeOfDay = (when) => clockFace.format(when);

const weekday = new Intl.DateTimeFormat('en', { weekday: 'long' });

/** @param {number} when ms since 1970 @returns {string} such as "Sunday, 14:02" */
export const dayAndTime = (when) => `${weekday.format(when)}, ${timeOfDay(when)}`;

/** @param {number} ms @returns {string} such as "4 min" */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** @param {unknown} text RFC 3339 @returns {number} ms since 1970, NaN if invalid */
export const parseTime = (text) => Date.parse(String(text));

/** The server's time, from its last `server_time` and the time that has passed since. */
export class ServerClock {
  #offset = Date.now() - performance.now();
  #heard = false;

  /** Discards the offset: the machine may have slept. The next server_time sets a new one. */
  reset() {
    this.#heard = false;
  }

  /** The largest sample had the least network delay. @param {unknown} serverTime */
  hear(serverTime) {
    const sample = parseTime(serverTime) - performance.now();
    if (Number.isNaN(sample)) return;
    this.#offset = this.#heard ? Math.max(this.#offset, sample) : sample;
    this.#heard = true;
  }

  /** @returns {number} ms since 1970 */
  now() {
    return this.#offset + performance.now();
  }
}

/** Calls `draw` at each change of the whole seconds left until a deadline. */
export class Countdown {
  #clock;
  #draw;
  /** @type {number|null} */ #deadline = null;
  #timer = 0;

  /** @param {ServerClock} clock @param {(seconds: number) => void} draw whole seconds left, rounded up */
  constructor(clock, draw) {
    this.#clock = clock;
    this.#draw = draw;
    document.addEventListener('visibilitychange', () => document.hidden || this.#tick());
  }

  /** @param {number|null} deadline ms since 1970; null stops */
  aim(deadline) {
    this.#deadline = deadline;
    this.#tick();
  }

  /** @returns {number} whole seconds left, 0 without a deadline */
  get left() {
    return this.#deadline === null ? 0 : Math.max(0, Math.ceil((this.#deadline - this.#clock.now()) / 1000));
  }

  #tick() {
    clearTimeout(this.#timer);
    if (this.#deadline === null) return;
    const left = this.left;
    this.#draw(left);
    if (left === 0) return;
    const next = this.#deadline - this.#clock.now() - (left - 1) * 1000;
    this.#timer = setTimeout(() => this.#tick(), Math.max(20, next + 5));
  }
}
