/**
 * @file Messages and answers that the server has not confirmed yet. They survive a reload, are sent in
 * order once the room has resumed, and are idempotent by client_id. Answers to a decision are sent
 * first.
 *
 * Events: `sent` ({post, message}), `failed` ({post, text}), `limited` ({seconds}), `answered`
 * ({answer, reply}), `refused` ({answer, refusal}).
 */

const KEY = 'parley.outbox';
const POSTS_MAX = 50;
const RETRY_MS = { min: 1_000, max: 15_000 };

/**
 * @typedef {object} Post
 * @property {string} client_id
 * @property {string} room
 * @property {string} content
 * @property {number} at ms since 1970
 * @property {boolean} [failed]
 * @property {string} [why]
 * @property {number} [after] the newest offset known when it was first sent
 */
/** @typedef {{room: string, method: 'keep'|'end'|'leave'|'block', user?: string}} Answer */

/** randomUUID exists on secure origins only. */
const newId = () =>
  crypto.randomUUID?.() ??
  '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, (digit) =>
    (Number(digit) ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (Number(digit) / 4)))).toString(16));

export class Outbox extends EventTarget {
  #connection;
  /** @type {{posts: Post[], answers: Answer[]}} */ #kept = { posts: [], answers: [] };
  /** The room that is subscribed and has resumed; only its messages are sent. @type {string|null} */ #open = null;
  #busy = false;
  #failures = 0;
  #timer = 0;

  /** @param {import('./connection.js').Connection} connection */
  constructor(connection) {
    super();
    this.#connection = connection;
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
      if (Array.isArray(kept?.posts) && Array.isArray(kept?.answers)) this.#kept = kept;
    } catch {
      this.#kept = { posts: [], answers: [] };
    }
    connection.addEventListener('state', () => {
      if (connection.state !== 'connected') this.#open = null;
    });
  }

  /** @param {string} room @returns {Post[]} oldest first */
  posts(room) {
    return this.#kept.posts.filter((post) => post.room === room);
  }

  get full() {
    return this.#kept.posts.length >= POSTS_MAX;
  }

  /** The room has resumed: sends its messages. @param {string} room */
  resume(room) {
    this.#open = room;
    this.#failures = 0;
    this.#flush();
  }

  /** Drops everything for other rooms. @param {string} room */
  keepOnly(room) {
    this.#kept.posts = this.posts(room);
    this.#kept.answers = this.#kept.answers.filter((answer) => answer.room === room);
    this.#save();
  }

  /** The room has ended: drops its messages. @param {string} room */
  abandon(room) {
    this.#kept.posts = this.#kept.posts.filter((post) => post.room !== room);
    this.#save();
  }

  /** @param {string} room @param {string} content @returns {Post} */
  post(room, content) {
    const post = { client_id: newId(), room, content, at: Date.now() };
    this.#kept.posts.push(post);
    this.#save();
    this.#flush();
    return post;
  }

  /** The newest answer for a room replaces the previous one. @param {Answer} answer */
  answer(answer) {
    this.#kept.answers = [...this.#kept.answers.filter(({ room }) => room !== answer.room), answer];
    this.#save();
    this.#flush();
  }

  /** @param {string} clientId */
  retry(clientId) {
    const post = this.#kept.posts.find(({ client_id }) => client_id === clientId);
    if (!post) return;
    delete post.failed;
    this.#save();
    this.#flush();
  }

  /** @param {string} clientId */
  remove(clientId) {
    this.#kept.posts = this.#kept.posts.filter(({ client_id }) => client_id !== clientId);
    this.#save();
  }

  /** Finds the sent message that a publication of this person confirms: the oldest equal one. */
  claim(room, { seq, content, client_id }) {
    return this.posts(room).find((post) =>
      client_id ? post.client_id === client_id : post.after !== undefined && seq > post.after && post.content === content);
  }

  async #flush() {
    clearTimeout(this.#timer);
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#open !== null && (await this.#sendNext()));
    } finally {
      this.#busy = false;
    }
  }

  /** @returns {Promise<boolean>} false: nothing left to send now */
  async #sendNext() {
    const room = this.#open;
    const answer = this.#kept.answers.find((one) => one.room === room);
    if (answer) return this.#sendAnswer(answer);
    const post = this.#kept.posts.find((one) => one.room === room && !one.failed);
    return post ? this.#sendPost(post) : false;
  }

  async #sendAnswer(answer) {
    try {
      const { room, method, user } = answer;
      const reply = await this.#connection.rpc(method, user ? { user } : { room });
      this.#drop(answer);
      this.#emit('answered', { answer, reply });
    } catch (error) {
      if (error.temporary) return this.#later(error);
      this.#drop(answer);
      this.#emit('refused', { answer, refusal: error });
    }
    return true;
  }

  async #sendPost(post) {
    const { room, content, client_id } = post;
    post.after ??= this.#connection.offset(`room:${room}`);
    this.#save();
    try {
      const { message } = await this.#connection.rpc('post', { conversation: room, content, client_id });
      this.remove(client_id);
      this.#failures = 0;
      this.#emit('sent', { post, message: message ?? {} });
    } catch (error) {
      if (error.temporary) return this.#later(error);
      if (!this.#kept.posts.includes(post)) return true;
      post.failed = true;
      post.why = error.text;
      this.#save();
      this.#emit('failed', { post, text: error.text });
    }
    return true;
  }

  #later(error) {
    if (error.lost) return false;
    const wait = Math.min(RETRY_MS.max, RETRY_MS.min * 2 ** this.#failures) * (0.5 + Math.random() / 2);
    this.#failures += 1;
    if (error.word === 'too_many') this.#emit('limited', { seconds: error.seconds ?? Math.ceil(wait / 1000) });
    this.#timer = setTimeout(() => this.#flush(), error.seconds ? error.seconds * 1000 : wait);
    return false;
  }

  #drop(answer) {
    this.#kept.answers = this.#kept.answers.filter((one) => one !== answer);
    this.#save();
  }

  #save() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this.#kept));
    } catch {
      // Storage is full or forbidden: the queue is lost when the page is closed.
    }
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
