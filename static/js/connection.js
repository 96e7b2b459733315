/**
 * @file The connection: the Centrifugal client protocol over a sequence of sockets.
 *
 * Here: reconnecting, subscriptions that recover missed publications, tokens refreshed on the live
 * socket. Not here: frames (wire.js), the meaning of events (room.js), messages that are sent again
 * after a reconnect (outbox.js), the source of tokens (session.js).
 *
 * Events: `state` (.state changed), `connected` (the reply's data), `publication`
 * ({channel, data, offset}), `subscribed` ({channel, recovered, recovering}; recovered publications
 * come before it), `unsubscribed` ({channel, refusal}).
 */

import { LOST, Refused, Wire } from './wire.js';

const BACKOFF_MS = { min: 500, max: 15_000 };
const STABLE_MS = 3_000;
const TOKEN_EXPIRED = 109;
const CLOSED_EXPIRED = 3005;
const BAD_TOKEN = 3500;
const BAD_REQUEST = 3501;
const RESUBSCRIBE_FROM = 2500;

/** @param {number} code a close or disconnect code; true: do not reconnect */
const isTerminal = (code) => (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);

/**
 * @typedef {object} Position the position of a subscription in its stream
 * @property {string|undefined} epoch
 * @property {number|null} offset null: unknown, so nothing can be recovered
 */

export class Connection extends EventTarget {
  /** @type {'idle'|'connecting'|'connected'|'waiting'|'closed'} */
  state = 'idle';
  /** Since when there is no connection (Date.now()), or null. @type {number|null} */
  offlineSince = null;
  /** When the next attempt is due (performance.now()), or null. @type {number|null} */
  nextTryAt = null;
  /** Why the client must not reconnect. @type {{code: number, reason: string}|null} */
  ending = null;

  #url;
  #token;
  /** @type {Wire|null} */ #wire = null;
  /** @type {Map<string, Position>} */ #subscriptions = new Map();
  /** @type {Map<string, Position>} made by the server */ #served = new Map();
  #attempt = 0;
  #failures = 0;
  #connectedAt = Infinity;
  #wantsFreshToken = false;
  #retryTimer = 0;
  #refreshTimer = 0;

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {(wish: {fresh: boolean}) => Promise<string>} options.token rejects with an error; its
   *   `gone` is true if no token can be had any more
   */
  constructor({ url, token }) {
    super();
    this.#url = url;
    this.#token = token;
    addEventListener('offline', () => this.state === 'connected' && this.#lose(LOST, 'offline'));
    addEventListener('online', () => {
      if (this.state === 'connected') this.#lose(LOST, 'network changed');
      this.retryNow();
    });
    addEventListener('focus', () => this.retryNow());
    document.addEventListener('visibilitychange', () => document.hidden || this.retryNow());
  }

  /** Starts connecting; also after a permanent close, with a new token. */
  open() {
    if (this.state !== 'idle' && this.state !== 'closed') return;
    this.ending = null;
    this.#failures = 0;
    this.#connect();
  }

  /** Reconnects at once instead of waiting for the next attempt. */
  retryNow() {
    if (this.state === 'waiting') this.#connect();
  }

  /** After a permanent close: drops all subscriptions, because the next session is another person. */
  reset() {
    this.#subscriptions.clear();
    this.#served.clear();
    this.offlineSince = null;
    this.#become('idle');
  }

  /**
   * Subscribes to a conversation from `offset` on, and again after each reconnect.
   * @param {string} channel
   * @param {{epoch?: string, offset?: number|null}} [from]
   */
  subscribe(channel, { epoch, offset = null } = {}) {
    if (this.#subscriptions.has(channel)) return;
    this.#subscriptions.set(channel, { epoch, offset: epoch === undefined ? null : offset });
    if (this.state === 'connected') this.#subscribe(channel);
  }

  /** @param {string} channel */
  unsubscribe(channel) {
    if (!this.#subscriptions.delete(channel)) return;
    if (this.state === 'connected') this.#call({ unsubscribe: { channel } }).catch(() => {});
  }

  /** @param {string} channel @returns {number} the newest offset received */
  offset(channel) {
    return this.#subscriptions.get(channel)?.offset ?? 0;
  }

  /** @param {string} method @param {object} data @returns {Promise<any>} the reply's data */
  async rpc(method, data) {
    const reply = await this.#call({ rpc: { method, data } });
    return reply.rpc?.data ?? {};
  }

  /** @param {string} channel @param {number} limit @returns {Promise<any[]>} oldest first */
  async history(channel, limit) {
    const reply = await this.#call({ history: { channel, limit, reverse: true } });
    return [...(reply.history?.publications ?? [])].reverse();
  }

  // ---- connecting and reconnecting ----

  async #connect() {
    clearTimeout(this.#retryTimer);
    const attempt = ++this.#attempt;
    this.nextTryAt = null;
    this.offlineSince ??= Date.now();
    this.#become('connecting');
    let token = '';
    try {
      token = await this.#token({ fresh: this.#wantsFreshToken });
    } catch (error) {
      if (attempt === this.#attempt) this.#lose(error?.gone ? BAD_TOKEN : LOST, error?.message ?? '');
      return;
    }
    if (attempt !== this.#attempt) return;
    const wire = new Wire(this.#url, {
      onOpen: () => this.#introduce(wire, token),
      onPush: (push) => this.#pushed(push),
      onEnd: (code, reason) => wire === this.#wire && this.#lose(code, reason),
    });
    this.#wire = wire;
  }

  async #introduce(wire, token) {
    const subs = {};
    for (const [channel, { epoch, offset }] of this.#served) {
      if (offset !== null) subs[channel] = { recover: true, epoch, offset };
    }
    try {
      const { connect } = await wire.call({ connect: { token, name: 'parley-web', subs } });
      if (wire === this.#wire) this.#welcome(connect ?? {});
    } catch (error) {
      if (wire !== this.#wire) return;
      if (error.code === TOKEN_EXPIRED) this.#wantsFreshToken = true;
      const again = !(error instanceof Refused) || error.temporary || error.code === TOKEN_EXPIRED;
      this.#lose(again ? LOST : BAD_REQUEST, error.text ?? '');
    }
  }

  #welcome(connect) {
    this.#connectedAt = performance.now();
    this.#wantsFreshToken = false;
    this.#wire?.keepAlive(connect);
    this.#scheduleRefresh(connect);
    this.offlineSince = null;
    const known = [...this.#subscriptions.keys()]; // a listener may subscribe to more, which are then sent at once
    this.#become('connected');
    this.#emit('connected', connect.data ?? {});
    const served = connect.subs ?? {};
    for (const channel of this.#served.keys()) if (!served[channel]) this.#served.delete(channel);
    for (const [channel, result] of Object.entries(served)) this.#serve(channel, result ?? {});
    for (const channel of known) this.#subscribe(channel);
  }

  /** The connection failed or was closed: reconnects later, or never. */
  #lose(code, reason) {
    this.#attempt += 1;
    this.#wire?.end();
    this.#wire = null;
    clearTimeout(this.#refreshTimer);
    this.offlineSince ??= Date.now();
    if (code === CLOSED_EXPIRED) this.#wantsFreshToken = true;
    if (isTerminal(code)) {
      this.ending = { code, reason };
      this.#become('closed');
      return;
    }
    if (performance.now() - this.#connectedAt > STABLE_MS) this.#failures = 0;
    this.#connectedAt = Infinity;
    const { min, max } = BACKOFF_MS;
    const delay = Math.min(max, min + Math.random() * Math.min(max, min * 2 ** this.#failures));
    this.#failures = Math.min(this.#failures + 1, 10);
    this.nextTryAt = performance.now() + delay;
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
    this.#become('waiting');
  }

  #scheduleRefresh({ expires, ttl }) {
    clearTimeout(this.#refreshTimer);
    if (!expires || !(ttl > 0)) return;
    const early = ttl > 60 ? ttl - 30 : ttl / 2;
    this.#refreshTimer = setTimeout(() => this.#refresh(), Math.min(early * 1000, 2 ** 31 - 1));
  }

  async #refresh() {
    const wire = this.#wire;
    try {
      const token = await this.#token({ fresh: true });
      if (wire !== this.#wire) return;
      const { refresh } = await this.#call({ refresh: { token } });
      this.#scheduleRefresh(refresh ?? {});
    } catch (error) {
      if (wire !== this.#wire || !wire) return;
      if (error.gone) return; // the server closes the connection when the token expires
      if (error instanceof Refused && !error.temporary) this.#lose(CLOSED_EXPIRED, error.text);
      else this.#refreshTimer = setTimeout(() => this.#refresh(), 5_000 + Math.random() * 5_000);
    }
  }

  // ---- subscriptions ----

  async #subscribe(channel) {
    const wire = this.#wire;
    const position = this.#subscriptions.get(channel);
    if (!position) return;
    const { epoch, offset } = position;
    const recovering = offset !== null;
    try {
      const wish = recovering ? { channel, recover: true, epoch, offset } : { channel };
      const { subscribe } = await this.#call({ subscribe: wish });
      if (this.#subscriptions.get(channel) === position) this.#settle(channel, position, subscribe ?? {}, recovering);
    } catch (error) {
      if (wire !== this.#wire || this.#subscriptions.get(channel) !== position) return;
      if (error.temporary) {
        setTimeout(() => wire === this.#wire && this.#subscribe(channel), 500 + Math.random() * 4_500);
      } else {
        this.#subscriptions.delete(channel);
        this.#emit('unsubscribed', { channel, refusal: error });
      }
    }
  }

  #serve(channel, result) {
    const known = this.#served.get(channel);
    const position = known ?? { epoch: undefined, offset: null };
    this.#served.set(channel, position);
    this.#settle(channel, position, result, known !== undefined);
  }

  #settle(channel, position, result, recovering) {
    const recovered = result.recovered === true;
    if (!recovered) position.offset = null;
    position.epoch = result.epoch ?? '';
    if (recovered) for (const pub of result.publications ?? []) this.#deliver(channel, pub);
    position.offset = Math.max(position.offset ?? 0, Number(result.offset) || 0);
    this.#emit('subscribed', { channel, recovered, recovering });
  }

  #deliver(channel, pub) {
    const position = this.#subscriptions.get(channel) ?? this.#served.get(channel);
    if (!position || !pub || typeof pub !== 'object') return;
    const offset = Number(pub.offset) || 0;
    if (offset > 0 && position.offset !== null && offset <= position.offset) return;
    if (offset > 0) position.offset = offset;
    this.#emit('publication', { channel, data: pub.data ?? {}, offset });
  }

  #pushed({ channel, pub, subscribe, unsubscribe }) {
    if (pub) this.#deliver(channel, pub);
    else if (subscribe) this.#serve(channel, subscribe);
    else if (unsubscribe) {
      this.#served.delete(channel);
      if (unsubscribe.code >= RESUBSCRIBE_FROM) this.#subscribe(channel);
      else if (this.#subscriptions.delete(channel)) this.#emit('unsubscribed', { channel, refusal: null });
    }
  }

  #call(command) {
    return this.#wire?.call(command) ?? Promise.reject(new Refused({ code: LOST, message: 'not connected' }));
  }

  #become(state) {
    this.state = state;
    this.#emit('state', state);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
