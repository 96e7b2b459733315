/**
 * @file The open room: applies its state and events to the page. The newest state of the server wins;
 * nothing is predicted. Not here: searching (chat.js), drawing (the components in `parts`).
 */

import { Countdown, dayAndTime, duration, minutesSeconds, parseTime, timeOfDay } from './clock.js';

const HINT = 'parley.room';
const HISTORY_MAX = 100;
const TYPING_SHOWN_MS = 6_000;
const BLOCKED = ['You blocked this person', 'You two will not be paired again.'];
const NOT_BOTH = 'This room has ended: you did not both choose to keep talking.';

/**
 * @typedef {{id: string, members?: any[], me?: {id: string}, state?: string, outcome?: string|null,
 *   deadline?: string|null, server_time?: string, created_at?: string, ended_at?: string|null,
 *   reason?: string|null, epoch?: string, you?: string}} Room
 */

/** @returns {{room: Room, lobby: string, answer: 'keep'|null}|null} the room that was open before a reload */
export function rememberedRoom() {
  try {
    const hint = JSON.parse(sessionStorage.getItem(HINT) ?? 'null');
    return typeof hint?.room?.id === 'string' ? hint : null;
  } catch {
    return null;
  }
}

export class RoomView {
  /** @type {Room|null} */ room = null;
  lobby = 'anonymous';
  /** @type {'keep'|null} */ answer = null;
  ended = false;
  #parts;
  #countdown;
  #lastLeft = Infinity;
  #typingTimer = 0;
  /** The command of this person that ends the room. @type {'end'|'leave'|'block'|null} */ #parting = null;
  #gone = '';

  /** @param {any} parts connection, outbox, clock, messages, composer, skip, decision, request, result, announcer, title, page */
  constructor(parts) {
    this.#parts = parts;
    this.#countdown = new Countdown(parts.clock, (left) => this.#ticked(left));
  }

  get isLive() {
    return this.room !== null && !this.ended;
  }

  get isKept() {
    return this.room?.outcome === 'kept' && this.room.state === 'IDLE';
  }

  get name() {
    return this.#partner?.display_name || this.#partner?.username || 'Stranger';
  }

  get #partner() {
    const me = this.room?.me?.id ?? this.#parts.personId();
    return this.room?.members?.find((member) => member?.id !== me);
  }

  /** @param {Room} room @param {string} lobby @param {'keep'|null} [answer] */
  open(room, lobby, answer = null) {
    const { connection, outbox, messages, composer, result, block, page } = this.#parts;
    if (this.room) connection.unsubscribe(`room:${this.room.id}`);
    Object.assign(this, { room: null, lobby, answer, ended: false });
    this.#parting = null;
    this.#gone = '';
    messages.clear();
    result.hide();
    block.reset();
    page.room.dataset.lobby = lobby;
    page.typing.textContent = '';
    outbox.keepOnly(room.id);
    composer.open(room.id);
    composer.hold(outbox.full);
    this.apply(room);
    composer.address(this.name);
    this.#presence('online');
    for (const post of outbox.posts(room.id)) messages.await(post);
    connection.subscribe(`room:${room.id}`, { epoch: room.epoch, offset: 0 });
  }

  close() {
    const { connection, page, composer } = this.#parts;
    if (this.room) connection.unsubscribe(`room:${this.room.id}`);
    this.#countdown.aim(null);
    this.room = null;
    this.ended = false;
    page.partner.hidden = true;
    page.block.hidden = true;
    composer.close();
    this.#remember();
  }

  /** Applies a state of the room from any source; ignores an older one. @param {Room} room */
  apply(room) {
    const { clock, skip, decision, request, result, page, announcer } = this.#parts;
    if (this.room && (room.id !== this.room.id || this.ended)) return;
    clock.hear(room.server_time);
    if (this.room && parseTime(room.server_time) < parseTime(this.room.server_time)) return;
    const before = this.room;
    this.room = { ...before, ...room, me: room.me ?? before?.me, epoch: room.epoch ?? before?.epoch };
    if (room.you === 'keep') this.answer = 'keep';
    if (room.state === 'COUNTDOWN' && before?.outcome === 'kept') this.answer = null;
    this.#remember();
    if (room.state === 'ENDED') return this.#finish();
    const deadline = parseTime(room.deadline ?? 'none');
    const timed = room.state === 'COUNTDOWN' || room.state === 'NOTIFICATION';
    if (before?.state !== room.state) this.#lastLeft = Infinity;
    page.timer.hidden = !timed;
    page.timer.dataset.state = room.state ?? '';
    page.timerNote.textContent = room.state === 'NOTIFICATION' ? 'to decide' : 'then you both decide';
    page.keepEarly.hidden = room.state !== 'COUNTDOWN';
    page.keepEarly.setAttribute('aria-pressed', String(this.answer === 'keep'));
    page.keepEarly.textContent = this.answer === 'keep' ? 'You asked to keep talking' : 'Keep talking';
    page.partner.hidden = false;
    page.block.hidden = false;
    page.partnerName.textContent = this.name;
    this.#countdown.aim(timed && !Number.isNaN(deadline) ? deadline : null);
    if (room.state !== before?.state || this.isKept !== (before?.outcome === 'kept')) skip.open(this.isKept);
    if (room.state === 'NOTIFICATION') {
      request.close();
      if (!decision.isOpen) announcer.interrupt(`Time to decide: keep talking with ${this.name}?`);
      if (!decision.isOpen) decision.open(this.name, this.answer);
    } else {
      decision.close();
    }
    if (this.isKept) {
      request.close();
      this.#result('kept', 'You both chose to keep talking. This room stays open.', this.#returns());
    } else {
      result.hide();
    }
  }

  /** One event of the room. @param {any} data @param {number} offset @param {boolean} [past] it is from the history */
  event(data, offset, past = false) {
    const { messages } = this.#parts;
    if (data.type === 'message_posted' && data.message) this.#posted({ seq: offset, ...data.message }, past);
    else if (data.type === 'message_edited') messages.edit(data.message_id, String(data.content ?? ''), data.edited_at);
    else if (data.type === 'message_deleted') messages.delete(data.message_id);
    else if (data.type === 'room_state' && data.room?.id) this.apply(data.room);
    else if (data.type === 'typing' && !this.#isMe(data.person)) this.#typing(data.is_typing === true);
    else if (data.type === 'presence' && !this.#isMe(data.person)) this.#presence(String(data.status));
  }

  /** The subscription is active. @param {{recovered: boolean, recovering: boolean}} how */
  async resumed({ recovered, recovering }) {
    const { connection, messages, outbox } = this.#parts;
    const { room } = this;
    if (!room) return;
    const had = !messages.isEmpty;
    if (!recovered) {
      const past = await connection.history(`room:${room.id}`, HISTORY_MAX).catch(() => null);
      if (this.room?.id !== room.id) return;
      for (const pub of past ?? []) if (pub?.data) this.event(pub.data, Number(pub.offset) || 0, true);
      if (recovering && had) messages.notice('Some messages may be missing', 'gap');
      else if (Number(past?.[0]?.offset) > 1) messages.notice('Earlier messages were not kept', 'gap');
    }
    if (this.isLive) outbox.resume(room.id);
  }

  /** A notification for this person about this room. @param {any} news */
  notified(news) {
    if (!this.isLive || news.room_id !== this.room?.id) return;
    if (news.type === 'partner_left') {
      this.#gone = news.reason === 'disconnected' ? 'lost' : 'left';
      this.#finish();
    } else if (news.type === 'keep_request' && this.room.state === 'COUNTDOWN' && this.answer !== 'keep') {
      this.#parts.request.open(this.name);
      this.#parts.announcer.say(`${this.name} wants to keep talking.`);
    } else if (news.room?.id) this.apply(news.room);
  }

  /** @param {'keep'|'end'|'leave'|'block'} method */
  say(method) {
    if (!this.isLive || !this.room) return;
    this.#parting = method === 'keep' ? null : method;
    this.answer = method === 'keep' ? 'keep' : null;
    this.#remember();
    this.#parts.decision.answer(this.answer);
    this.#parts.request.close();
    this.apply(this.room);
    const user = method === 'block' ? this.#partner?.id : undefined;
    this.#parts.outbox.answer({ room: this.room.id, method, user });
  }

  /** Blocks the partner, which also ends the room. */
  async block() {
    if (this.isLive) return this.say('block');
    const { connection, page, result } = this.#parts;
    const { room } = this;
    try {
      await connection.rpc('block', { user: this.#partner?.id });
    } catch {
      return this.refused({ room: room?.id, method: 'block' });
    }
    if (this.room?.id !== room?.id) return;
    page.block.hidden = true;
    this.#result('over', ...BLOCKED);
    result.focus();
  }

  /** The server carried out, or refused, a command of `say`. @param {any} answer @param {Room} [room] */
  answered(answer, room) {
    if (!this.isLive || answer.room !== this.room?.id) return;
    if (room?.id) this.apply(room);
    else if (answer.method === 'leave' || answer.method === 'block') this.#finish();
  }

  /** The server refused a command of `say`. @param {any} answer */
  refused(answer) {
    if (answer.method !== 'block') return this.answered(answer);
    if (answer.room !== this.room?.id) return;
    this.#parting = null;
    this.#parts.block.reset();
    this.#parts.messages.notice('Blocking did not work. Please try again.');
  }

  /** The room no longer exists for this person. @param {boolean} meanwhile it ended while disconnected */
  vanished(meanwhile) {
    if (!this.isLive) return;
    this.#gone ||= meanwhile ? 'away' : 'over';
    this.#finish();
  }

  /** How long a guest can return: until their session ends. */
  #returns() {
    const until = this.#parts.sessionEnds();
    return until === null ? '' : `You can come back in this tab until ${dayAndTime(until)}.`;
  }

  #isMe(person) {
    return person?.id !== undefined && (person.id === this.room?.me?.id || person.id === this.#parts.personId());
  }

  #posted(message, past) {
    const { messages, outbox, announcer, title, page } = this.#parts;
    const own = this.#isMe(message.author);
    const name = message.author?.display_name || message.author?.username || this.name;
    const clientId = own ? outbox.claim(this.room.id, message)?.client_id : undefined;
    const fresh = messages.show(message, { own, name, clientId });
    if (own || !fresh) return;
    page.typing.textContent = '';
    if (past) return;
    announcer.message(`${name}: ${message.content ?? ''}`);
    title.note(`${name}: new message`);
  }

  #typing(on) {
    const { page } = this.#parts;
    clearTimeout(this.#typingTimer);
    page.typing.textContent = on && this.isLive ? `${this.name} is typing` : '';
    if (on) this.#typingTimer = setTimeout(() => this.#typing(false), TYPING_SHOWN_MS);
  }

  #presence(status) {
    const { page } = this.#parts;
    const away = status === 'offline';
    page.presence.dataset.status = away ? 'away' : 'online';
    page.presenceWord.textContent = away ? `lost connection at ${timeOfDay(Date.now())}, waiting` : 'online';
  }

  #ticked(left) {
    const { page, decision, announcer } = this.#parts;
    const text = minutesSeconds(left);
    const crossed = (mark) => this.#lastLeft > mark && this.#lastLeft !== Infinity && left <= mark;
    page.chip.textContent = text;
    if (this.room?.state === 'NOTIFICATION') {
      decision.tick(left, text);
      if (crossed(10) && this.answer === null) announcer.interrupt('10 seconds left to answer.');
    } else {
      if (crossed(120)) announcer.say('2 minutes left.');
      if (crossed(60)) announcer.say('1 minute left.');
    }
    this.#lastLeft = left;
  }

  #finish() {
    const { connection, composer, skip, block, decision, request, result, page, messages, outbox } = this.#parts;
    const { room } = this;
    const had = composer.hasFocus || page.room.contains(document.activeElement);
    this.ended = true;
    this.#countdown.aim(null);
    connection.unsubscribe(`room:${room.id}`);
    for (const panel of [decision, request]) panel.close();
    skip.disarm();
    block.disarm();
    page.block.hidden = this.#parting === 'block';
    page.timer.hidden = true;
    for (const post of outbox.posts(room.id)) messages.fail(post.client_id, 'The chat has ended.', true);
    outbox.abandon(room.id);
    this.#typing(false);
    result.offer({ draft: composer.draft, log: !messages.isEmpty });
    composer.close();
    const ending = this.#ending();
    page.presence.dataset.status = 'gone';
    page.presenceWord.textContent = ending[0] === 'partner-left' ? 'left' : 'ended';
    this.#result(...ending);
    this.#remember();
    if (had) result.focus();
  }

  /** @returns {[string, string, string]} kind, sentence, detail */
  #ending() {
    const { reason, created_at, ended_at } = this.room;
    const at = parseTime(ended_at ?? 'none');
    const end = Number.isNaN(at) ? this.#parts.clock.now() : at;
    const start = parseTime(created_at);
    const when = Number.isNaN(start) ? timeOfDay(end) : `${timeOfDay(end)}, after ${duration(end - start)}`;
    if (this.#parting === 'block') return ['over', ...BLOCKED];
    if (this.#parting === 'leave') return ['left', 'You left this chat', when];
    if (reason === 'ended_by_member' || reason === 'no_response') {
      const said = this.#parting ? 'You chose End chat. ' : this.answer ? 'You chose Keep talking. ' : '';
      return ['ended', NOT_BOTH, said + when];
    }
    if (reason === 'moderated') return ['over', 'A moderator ended this chat', when];
    if (this.#gone === 'away') return ['over', 'This chat ended while you were away', ''];
    if (this.#gone === 'over' || reason === 'blocked') return ['over', 'This chat has ended', when];
    if (this.#gone === 'lost') return ['partner-left', `${this.name} lost the connection`, when];
    return ['partner-left', `${this.name} left`, when];
  }

  #result(kind, sentence, detail) {
    const { result, announcer, title } = this.#parts;
    if (!result.show(kind, sentence, detail)) return;
    announcer.say(sentence);
    title.note(sentence);
  }

  #remember() {
    const { room, lobby, answer } = this;
    try {
      if (this.isLive) sessionStorage.setItem(HINT, JSON.stringify({ room, lobby, answer }));
      else sessionStorage.removeItem(HINT);
    } catch {
      // Storage is forbidden: after a reload, the page asks the server.
    }
  }
}
