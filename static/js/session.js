/**
 * @file The guest session of this tab. Its tokens are in sessionStorage, so that a reload is the same
 * person and another tab is another person. No token is written to a URL or a log.
 */

const KEY = 'parley.session';
const CLONE_WAIT_MS = 800;
const EARLY_MS = 10_000;

/** The server refused to start or renew a session. */
export class SessionRefused extends Error {
  /** @param {{gone?: boolean, text?: string, seconds?: number|null}} why */
  constructor({ gone = false, text = '', seconds = null }) {
    super(text);
    /** No token can be had any more; only a new session helps. */
    this.gone = gone;
    this.text = text;
    this.seconds = seconds;
  }
}

/** The reason alone, for a page that counts down by itself. @param {string} text of an error @returns {string} */
export const withoutDelay = (text) => text.replace(/\s*Try again in [^.]*\.$/, '');

/** @returns {Storage|null} null where the browser forbids it */
const storage = () => {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
};

/** @param {string} path @param {object} body @param {string} [token] */
async function post(path, body, token) {
  let response;
  try {
    response = await fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify(body),
    });
  } catch {
    throw new SessionRefused({ text: 'No connection to the server.' });
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new SessionRefused({
    gone: response.status === 401,
    text: answer.error?.message ?? 'The server did not answer. Please try again.',
    seconds: Number(response.headers.get('Retry-After')) || null,
  });
}

export class Session {
  /** @type {{access_token: string, refresh_token: string|null, due: number, user: any}|null} */ #kept = null;
  /** @type {Promise<any>|null} */ #underWay = null;
  #claimed = '';

  constructor() {
    try {
      const kept = JSON.parse(storage()?.getItem(KEY) ?? 'null');
      if (kept?.access_token) this.#kept = kept;
    } catch {
      this.#kept = null;
    }
  }

  get exists() {
    return this.#kept !== null;
  }

  /** @returns {{id: string}|null} */
  get person() {
    return this.#kept?.user ?? null;
  }

  /** @returns {number|null} when the session ends, in ms since 1970; null: it can be renewed, or there is none */
  get ends() {
    return this.#kept && !this.#kept.refresh_token ? this.#kept.due : null;
  }

  /** A duplicated tab has a copy of the session, which it drops: it is another person. */
  async claim() {
    const id = this.person?.id;
    if (!id || id === this.#claimed || !navigator.locks) return;
    this.#claimed = id;
    const waited = new AbortController();
    const timer = setTimeout(() => waited.abort(), CLONE_WAIT_MS);
    await new Promise((resolve) => {
      const hold = () => {
        clearTimeout(timer);
        resolve(undefined);
        return new Promise(() => {});
      };
      navigator.locks.request(`parley:${id}`, { signal: waited.signal }, hold).catch(() => {
        storage()?.clear();
        this.#kept = null;
        resolve(undefined);
      });
    });
  }

  /** Starts a new guest session, unless one exists or is being started. */
  start() {
    return this.exists ? Promise.resolve() : this.#once('/api/auth/guest', { display_name: 'Stranger' });
  }

  /** @param {{fresh?: boolean}} [wish] fresh: not the current token @returns {Promise<string>} */
  async token({ fresh = false } = {}) {
    if (!this.#kept) await this.start();
    else if (fresh || Date.now() > this.#kept.due - EARLY_MS) await this.#renew();
    return this.#kept?.access_token ?? '';
  }

  forget() {
    this.#kept = null;
    storage()?.removeItem(KEY);
  }

  /** Renews the session. Rejects with `gone` if it has expired; the person is then a new guest. */
  async #renew() {
    const { refresh_token } = this.#kept ?? {};
    const over = new SessionRefused({ gone: true, text: 'You were away too long, or the session was ended elsewhere.' });
    if (!refresh_token) throw over;
    try {
      await this.#once('/api/auth/refresh', { refresh_token });
    } catch (refused) {
      throw refused instanceof SessionRefused && refused.gone ? over : refused;
    }
  }

  #once(path, body) {
    this.#underWay ??= post(path, body)
      .then((answer) => {
        const user = answer.user ?? this.#kept?.user ?? null;
        const due = Date.now() + (Number(answer.expires_in) || 1800) * 1000;
        const { access_token, refresh_token } = answer;
        this.#kept = { access_token, refresh_token, due, user };
        storage()?.setItem(KEY, JSON.stringify(this.#kept));
      })
      .finally(() => {
        this.#underWay = null;
      });
    return this.#underWay;
  }
}
