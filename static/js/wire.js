/**
 * @file One socket with the Centrifugal client protocol, version 2, as JSON.
 *
 * Here: commands and their replies, several per frame; pings; pushes, which are passed on. Not here:
 * reconnecting, subscriptions and tokens (connection.js).
 */

const REPLY_MS = 8_000;
const PING_SLACK_MS = 10_000;

export const LOST = 0;
const TIMEOUT = 1;

/** A command that was not carried out. `word` is the server's stable code, `text` is for people. */
export class Refused extends Error {
  /** @param {{code?: number, message?: string, temporary?: boolean}} error */
  constructor(error) {
    const message = String(error?.message ?? '');
    super(message);
    this.code = Number(error?.code) || LOST;
    const [first, ...rest] = message.split(' ');
    const coded = this.code >= 1000 && /^[a-z_]+:?$/.test(first);
    this.word = coded ? first.replace(':', '') : '';
    this.text = (coded ? rest.join(' ') : message) || 'That did not work. Please try again.';
    this.temporary = error?.temporary === true || this.code < 100 || this.word === 'too_many';
    /** The connection was lost before a reply arrived. */
    this.lost = this.code === LOST;
    const seconds = /(\d+(?:\.\d+)?)\s*s(ec|\b)/.exec(this.text);
    this.seconds = seconds ? Math.max(1, Math.ceil(Number(seconds[1]))) : null;
  }
}

export class Wire {
  #socket;
  #onPush;
  #onEnd;
  #ended = false;
  #lastId = 0;
  /** @type {Map<number, {resolve: Function, reject: Function, timer: number}>} */ #calls = new Map();
  #ping = { every: 0, answer: false, timer: 0 };

  /**
   * @param {string} url
   * @param {object} hooks
   * @param {() => void} hooks.onOpen
   * @param {(push: any) => void} hooks.onPush
   * @param {(code: number, reason: string) => void} hooks.onEnd once; not after end()
   */
  constructor(url, { onOpen, onPush, onEnd }) {
    this.#onPush = onPush;
    this.#onEnd = onEnd;
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => this.#ended || onOpen();
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = ({ code, reason }) => this.#finish(code, reason);
    this.#ping.timer = setTimeout(() => this.#finish(LOST, 'no answer'), REPLY_MS);
  }

  /** The server pings every `ping` seconds from now on; `pong`: it expects an answer. */
  keepAlive({ ping, pong }) {
    this.#ping.every = (Number(ping) || 0) * 1000;
    this.#ping.answer = pong === true;
    this.#awaitPing();
  }

  /** @param {object} command @returns {Promise<any>} the whole reply; rejects with Refused */
  call(command) {
    if (this.#ended || this.#socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Refused({ code: LOST, message: 'not connected' }));
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#calls.delete(id);
        reject(new Refused({ code: TIMEOUT, message: 'no answer in time' }));
      }, REPLY_MS);
      this.#calls.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ id, ...command }));
    });
  }

  /** Closes the socket and rejects pending calls, without calling onEnd. */
  end() {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#ping.timer);
    this.#socket.close();
    for (const { reject, timer } of this.#calls.values()) {
      clearTimeout(timer);
      reject(new Refused({ code: LOST, message: 'connection lost' }));
    }
    this.#calls.clear();
  }

  #finish(code, reason) {
    if (this.#ended) return;
    this.end();
    this.#onEnd(code, reason);
  }

  #awaitPing() {
    clearTimeout(this.#ping.timer);
    if (!this.#ping.every || this.#ended) return;
    this.#ping.timer = setTimeout(() => this.#finish(LOST, 'no ping'), this.#ping.every + PING_SLACK_MS);
  }

  /** @param {any} frame several replies and pushes, one per line; invalid lines are ignored */
  #receive(frame) {
    if (typeof frame !== 'string') return;
    if (this.#ping.every) this.#awaitPing();
    for (const line of frame.split('\n')) {
      if (this.#ended) return;
      let reply = null;
      try {
        reply = JSON.parse(line);
      } catch {
        continue;
      }
      if (reply === null || typeof reply !== 'object' || Array.isArray(reply)) continue;
      if (reply.id) this.#answer(reply);
      else if (reply.push?.disconnect) {
        this.#finish(Number(reply.push.disconnect.code) || LOST, String(reply.push.disconnect.reason ?? ''));
      } else if (reply.push) this.#onPush(reply.push);
      else if (this.#ping.answer && Object.keys(reply).length === 0) this.#socket.send('{}');
    }
  }

  #answer(reply) {
    const call = this.#calls.get(reply.id);
    if (!call) return;
    this.#calls.delete(reply.id);
    clearTimeout(call.timer);
    if (reply.error) call.reject(new Refused(reply.error));
    else call.resolve(reply);
  }
}
