/**
 * @file The chat page: creates its components, searches for a partner, and shows one of its views:
 * start, searching, room. A search starts only when the person presses a button.
 */

import { Announcer, TabTitle } from './announcer.js';
import { Banner } from './banner.js';
import { ServerClock, minutesSeconds, parseTime } from './clock.js';
import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { Decision, KeepRequest, Result } from './decision.js';
import { Messages } from './messages.js';
import { Outbox } from './outbox.js';
import { RoomView, rememberedRoom } from './room.js';
import { Session, withoutDelay } from './session.js';
import { Skip, TwoPresses, onEscape } from './skip.js';

const SEARCH_AGAIN_WITHIN_MS = 60_000;
const PEOPLE_SHOWN_FROM = 3;
const BAD_TOKEN = 3500;

/** @type {(name: string) => any} */
const at = (name) => document.querySelector(`[data-test="${name}"]`);
/** @param {string} id @returns {any} */
const by = (id) => document.getElementById(id);

const page = {
  room: by('room'), partner: by('partner'), partnerName: by('partner-name'), presence: by('presence'),
  presenceWord: by('presence-word'), block: at('block'), timer: by('timer'), chip: at('countdown'), timerNote: by('timer-note'),
  keepEarly: at('keep-early'), typing: at('typing'),
};
const main = document.querySelector('main');

const session = new Session();
const clock = new ServerClock();
const announcer = new Announcer(by('polite'), by('assertive'));
const title = new TabTitle();
const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/connection/websocket`;
const connection = new Connection({ url, token: (wish) => session.token(wish) });
const outbox = new Outbox(connection);

/** @typedef {{lobby: string, interests: string[], since: number, timer: number, renewed?: boolean}} Search */
/** The current search of this page. @type {Search|null} */
let search = null;
let cancelled = false;
let lostAt = 0;

const messages = new Messages(page.room, {
  onRetry: (clientId) => outbox.retry(clientId),
  onDelete: (clientId) => outbox.remove(clientId),
});
const composer = new Composer(by('composer'), {
  onInput: () => disarm(),
  onTyping: (is_typing) => {
    if (room.isLive) connection.rpc('typing', { conversation: room.room?.id, is_typing }).catch(() => {});
  },
  onSend: (content) => {
    if (!room.isLive || !room.room || outbox.full) return false;
    disarm();
    messages.await(outbox.post(room.room.id, content));
    composer.hold(outbox.full);
    return true;
  },
});
const skip = new Skip(at('skip'), {
  onArm: (question) => announcer.say(`${question} Press again to confirm.`),
  onSure: () => room.say('leave'),
});
const block = new TwoPresses(at('block'), {
  question: 'Block?',
  onArm: (question) => announcer.say(`${question} Press again to confirm.`),
  onSure: () => room.block(),
});
const disarm = () => [skip, block].forEach((one) => one.disarm());
const decision = new Decision(at('decision'), by('log'), (answer) => room.say(answer));
const request = new KeepRequest(at('keep-request'), by('log'), (yes) => {
  request.close();
  if (yes) room.say('keep');
  else connection.rpc('decline', { room: room.room?.id }).catch(() => {});
});
const result = new Result(at('result'), { onNew: () => start(room.lobby), onSave: () => messages.save() });
const room = new RoomView({
  connection, outbox, clock, messages, composer, skip, block, decision, request, result, announcer, title, page,
  personId: () => session.person?.id,
  sessionEnds: () => session.ends,
});
new Banner(at('banner'), connection, { onWord: (word) => announcer.say(word), onRenew: renew });

/** @param {'start'|'searching'|'room'|'loading'} view */
function show(view) {
  if (main.dataset.view === view) return;
  main.dataset.view = view;
  // The banner must not move text that is being read: it is above the composer, or at the empty top.
  if (view === 'room') page.room.insertBefore(at('banner'), page.typing); else main.prepend(at('banner'));
  for (const section of main.querySelectorAll(':scope > section')) section.hidden = section.id !== view;
}

// ---- finding someone ----

/** @returns {string[]} */
function interests() {
  try {
    return [...JSON.parse(localStorage.getItem('parley.interests') ?? '[]')].map(String);
  } catch {
    return [];
  }
}

/** @param {string} lobby */
async function start(lobby) {
  clearInterval(search?.timer);
  cancelled = false;
  room.close();
  beginSearch(lobby, performance.now());
  if (location.pathname !== '/chat/pair') history.replaceState(null, '', '/chat/pair');
  try {
    await session.start();
    await session.claim();
  } catch (error) {
    return stopSearch(error.text);
  }
  if (connection.state === 'connected') ask();
  else connection.open();
}

function beginSearch(lobby, since) {
  search = { lobby, interests: interests(), since, timer: setInterval(drawSearch, 1000) };
  const liked = new Intl.ListFormat('en', { type: 'disjunction' }).format(search.interests);
  by('looking').textContent = liked ? `Looking for someone who likes ${liked}` : 'Looking for someone to talk to';
  by('lobby-note').hidden = lobby !== 'timed';
  by('people').textContent = '';
  by('search-note').textContent = '';
  drawSearch();
  show('searching');
  at('cancel').focus({ preventScroll: true });
  announcer.say(by('looking').textContent);
}

function drawSearch() {
  if (search) by('elapsed').textContent = minutesSeconds((performance.now() - search.since) / 1000);
}

async function ask() {
  const asked = search;
  if (!asked) return;
  try {
    const answer = await connection.rpc('search', { lobby: asked.lobby, interests: asked.interests });
    if (search === asked && answer.room?.id) enter(answer.room, asked.lobby);
  } catch (error) {
    if (search !== asked || error.lost) return;
    if (error.temporary) pause(asked, error.word === 'too_many' ? 'Too many searches.' : error.text, error.seconds ?? 2);
    else stopSearch(error.text);
  }
}

function pause(asked, text, seconds) {
  if (search !== asked) return;
  by('search-note').textContent = seconds > 0 ? `${withoutDelay(text)} Trying again in ${seconds} s.` : '';
  if (seconds > 0) setTimeout(() => pause(asked, text, seconds - 1), 1000);
  else ask();
}

function stopSearch(why = '') {
  const had = by('searching').contains(document.activeElement);
  clearInterval(search?.timer);
  search = null;
  by('start-note').textContent = why;
  show('start');
  if (had) at('talk').focus();
}

function cancel() {
  const lobby = search?.lobby;
  cancelled = true;
  stopSearch();
  connection.rpc('cancel_search', { lobby }).catch(() => {});
}

/** @param {any} found @param {string} lobby */
function enter(found, lobby, answer = null) {
  if (room.isLive && room.room?.id === found.id) return room.apply(found);
  clearInterval(search?.timer);
  search = null;
  show('room');
  room.open(found, lobby, answer);
  announcer.say(`You are talking with ${room.name}.`);
  title.note(`${room.name} is here`);
  if (matchMedia('(pointer: fine)').matches) composer.focus();
  else by('log').focus({ preventScroll: true });
}

// ---- news from the server ----

/** The connection is open; the data contains this person's rooms and search. */
function arrived(data) {
  const away = lostAt ? Date.now() - lostAt : 0;
  lostAt = 0;
  const rooms = (Array.isArray(data.rooms) ? data.rooms : []).filter((one) => typeof one?.id === 'string');
  if (rooms.length) clock.reset();
  drawRooms(rooms);
  if (room.isLive) return rooms.forEach((one) => room.apply(one));
  const wanted = wantedRoom();
  const live = rooms.find(({ id }) => id === wanted) ?? rooms.find(({ outcome }) => outcome !== 'kept');
  if (live && !room.ended) return enter(live, live.lobby ?? search?.lobby ?? lobbyOf(live));
  if (data.waiting && cancelled) connection.rpc('cancel_search', { lobby: data.waiting.lobby }).catch(() => {});
  else if (data.waiting && !search && !room.ended) {
    beginSearch(String(data.waiting.lobby), performance.now() - (Math.max(0, Date.now() - parseTime(data.waiting.since)) || 0));
  } else if (search && !data.waiting) {
    if (away < SEARCH_AGAIN_WITHIN_MS) ask();
    else stopSearch('The search stopped while you were offline.');
  } else if (!room.ended && !search) {
    if (wanted) by('start-note').textContent = 'Room not found. It may have ended.';
    show('start');
  }
}

/** The room in the page's address, if any. */
const wantedRoom = () => /^\/chat\/r\/([^/]+)/.exec(location.pathname)?.[1];
/** Only rooms of the timed lobby have a deadline or an outcome. */
const lobbyOf = ({ deadline, outcome }) => (deadline || outcome ? 'timed' : 'anonymous');

function drawRooms(rooms) {
  const list = by('open-rooms');
  list.replaceChildren(...rooms.map((one) => {
    const link = document.createElement('a');
    const other = one.members?.find((member) => member?.id !== (one.me?.id ?? session.person?.id));
    link.href = `/chat/r/${encodeURIComponent(one.id)}`;
    link.textContent = `Room with ${other?.display_name || other?.username || 'Stranger'}`;
    const item = document.createElement('li');
    item.append(link);
    return item;
  }));
  by('open-rooms-part').hidden = rooms.length === 0;
}

/** A notification for this person. */
function told(data) {
  if (data.type === 'matched' && data.room?.id) enter(data.room, String(data.lobby ?? search?.lobby ?? 'anonymous'));
  else if (data.type === 'waiting' && search) {
    const count = Number(data.people ?? data.position) || 0;
    const rounded = count < 10 ? String(count) : `about ${Math.round(count / 10) * 10}`;
    by('people').textContent = count < PEOPLE_SHOWN_FROM ? '' : `${rounded} people waiting`;
  } else room.notified(data);
}

connection.addEventListener('state', () => {
  if (connection.state !== 'connected') lostAt ||= Date.now();
  decision.connection(connection.state !== 'connected');
  if (connection.ending?.code !== BAD_TOKEN || !search || search.renewed) return;
  // A session without a room can be replaced: the search goes on with a new one.
  search.renewed = true;
  session.forget();
  connection.open();
});
connection.addEventListener('connected', ({ detail }) => arrived(detail));
connection.addEventListener('publication', ({ detail: { channel, data, offset } }) => {
  if (data === null || typeof data !== 'object') return;
  if (channel === `room:${room.room?.id}`) room.event(data, offset);
  else if (String(channel).startsWith('user:')) told(data);
});
connection.addEventListener('subscribed', ({ detail }) => {
  if (detail.channel === `room:${room.room?.id}`) room.resumed(detail);
});
connection.addEventListener('unsubscribed', ({ detail }) => {
  if (detail.channel === `room:${room.room?.id}`) room.vanished(detail.refusal !== null);
});
outbox.addEventListener('sent', ({ detail: { post, message } }) => {
  messages.show({ content: post.content, ...message }, { own: true, name: 'You', clientId: post.client_id });
  composer.hold(outbox.full);
});
outbox.addEventListener('failed', ({ detail: { post, text } }) => messages.fail(post.client_id, text));
outbox.addEventListener('limited', ({ detail: { seconds } }) => composer.limit(seconds));
outbox.addEventListener('answered', ({ detail: { answer, reply } }) => room.answered(answer, reply.room));
outbox.addEventListener('refused', ({ detail: { answer } }) => room.refused(answer));

/** The session has ended; the next press of a button starts a new one. */
function renew() {
  session.forget();
  connection.reset();
  if (room.room) room.close();
  stopSearch();
}

// ---- buttons and keys ----

at('talk').addEventListener('click', () => start('anonymous'));
at('timed').addEventListener('click', () => start('timed'));
at('cancel').addEventListener('click', cancel);
page.keepEarly.addEventListener('click', () => room.answer === 'keep' || room.say('keep'));
onEscape(() => {
  if (search) cancel();
  else if (room.ended) start(room.lobby);
  else if (room.isLive) skip.pressKey();
});

// ---- start of the page ----
async function begin() {
  await session.claim();
  const intent = sessionStorage.getItem('parley.intent');
  sessionStorage.removeItem('parley.intent');
  const remembered = session.exists ? rememberedRoom() : null;
  // A kept room can wait: the button on the start page asks for someone new.
  const hint = intent && remembered?.room.outcome === 'kept' ? null : remembered;
  if (hint && (wantedRoom() ?? hint.room.id) === hint.room.id) enter(hint.room, hint.lobby, hint.answer);
  else if (intent) return start(intent === 'timed' ? 'timed' : 'anonymous');
  else show(session.exists ? 'loading' : 'start');
  if (session.exists) connection.open();
}
begin().finally(() => performance.mark('composer-ready'));
