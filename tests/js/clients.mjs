// The official client against a running server: `node clients.mjs <story> <JSON>`.
// Over `transport`, one of websocket, http_stream and sse.
// The last line on stdout is what the story found, as JSON; the test judges it.
// "ready" lines ask the test to act; a line on stdin is its answer.
import net from "node:net";
import readline from "node:readline";
import { Centrifuge } from "centrifuge";
import { EventSource } from "eventsource";
import WebSocket from "ws";

const args = JSON.parse(process.argv[3]);
const transport = args.transport ?? "websocket";
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const QUICK = { websocket: WebSocket, eventsource: EventSource, minReconnectDelay: 20, maxReconnectDelay: 60 };

function client(options = {}, to = args.url) {
  const base = transport === "websocket" ? to.replace(/^http/, "ws") : to;
  const transports = [{ transport, endpoint: `${base}/connection/${transport}` }];
  return new Centrifuge(transports, { ...QUICK, emulationEndpoint: `${to}/emulation`, ...options });
}

function next(emitter, event) {
  return new Promise((resolve) => emitter.once(event, resolve));
}

async function connected(options = {}, to = args.url) {
  const made = client(options, to);
  const came = next(made, "connected");
  made.connect();
  return [made, await came];
}

async function subscribed(made, channel, options = {}) {
  const subscription = made.newSubscription(channel, options);
  const heard = [];
  subscription.on("publication", (ctx) => heard.push(ctx));
  const came = next(subscription, "subscribed");
  subscription.subscribe();
  return [subscription, await came, heard];
}

async function guest() {
  const headers = { "Content-Type": "application/json" };
  const body = '{"display_name":"Ann"}';
  const response = await fetch(`${args.url}/api/auth/guest`, { method: "POST", headers, body });
  return response.json();
}

async function ask(test) {
  console.log(JSON.stringify({ ready: test }));
  return (await answers.next()).value;
}

const words = (heard) =>
  heard.filter((ctx) => ctx.data.type === "message_posted").map((ctx) => [ctx.offset, ctx.data.message.content]);

// A wire that can be cut and mended between a client and the server.
async function proxy() {
  const there = new URL(args.url);
  const open = new Set();
  const server = net.createServer((near) => {
    if (wire.isCut) return near.destroy();
    const far = net.connect(Number(there.port), there.hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.on("error", () => {});
      one.on("close", () => { open.delete(one); other.destroy(); });
      one.pipe(other);
    }
  });
  const wire = {
    isCut: false,
    cut() { wire.isCut = true; for (const end of open) end.destroy(); },
    mend() { wire.isCut = false; },
    close() { wire.cut(); server.close(); },
  };
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  wire.url = `http://127.0.0.1:${server.address().port}`;
  return wire;
}

const stories = {
  async connects() {
    const made = await guest();
    const [one, first] = await connected({ token: made.access_token });
    const [other, second] = await connected({ token: made.access_token });
    const [stranger, third] = await connected();
    for (const each of [one, other, stranger]) each.disconnect();
    return {
      user: made.user.id,
      people: [first, second, third].map((ctx) => ctx.data.person.id),
      clients: new Set([first, second, third].map((ctx) => ctx.client)).size,
      lines: [first.data.waiting, first.data.rooms],
    };
  },

  async publishes() {
    const [ann] = await connected();
    const [bob] = await connected();
    await ann.rpc("join_channel", { name: "general" });
    const [atAnn, position, heard] = await subscribed(ann, "channel:general");
    const [, , alsoHeard] = await subscribed(bob, "channel:general");
    const both = [next(atAnn, "publication"), next(bob.getSubscription("channel:general"), "publication")];
    await atAnn.publish({ content: "hello", client_id: "c-1" });
    await Promise.all(both);
    await atAnn.publish({ content: "hello", client_id: "c-1" });  // again: the same message
    const posted = await ann.rpc("post", { conversation: "channel:general", content: "by rpc" });
    await ann.rpc("read", { conversation: "channel:general", seq: posted.data.message.seq });
    while (words(alsoHeard).length < 2) await next(bob.getSubscription("channel:general"), "publication");
    const refused = await bob.getSubscription("channel:general").publish({ content: "x" }).catch((e) => e);
    const unknown = await bob.rpc("dance", {}).catch((e) => e);
    const wrong = await bob.rpc("keep", { room: "nowhere" }).catch((e) => e);
    const missing = bob.newSubscription("channel:nowhere");
    const ended = next(missing, "unsubscribed");
    missing.subscribe();
    const why = await ended;
    ann.disconnect(); bob.disconnect();
    return {
      recoverable: position.recoverable, epoch: position.streamPosition.epoch, offset: position.streamPosition.offset,
      ann: words(heard), bob: words(alsoHeard), durable: posted.data.durable,
      refusals: [refused.code, unknown.code, wrong.code, wrong.message, why.code],
    };
  },

  async recovers() {
    const wire = await proxy();
    const [ann] = await connected();
    await ann.rpc("join_channel", { name: "general" });
    const [bob, before] = await connected({ token: (await guest()).access_token }, wire.url);
    const [atBob, , heard] = await subscribed(bob, "channel:general");
    const rounds = [];
    for (let round = 0; round < args.rounds; round++) {
      const here = `before ${round}`;
      await ann.rpc("post", { conversation: "channel:general", content: here });
      while (!words(heard).some(([, text]) => text === here)) await next(atBob, "publication");
      const lost = next(bob, "connecting");
      wire.cut();
      await lost;
      for (let n = 0; n < args.missed; n++) {
        await ann.rpc("post", { conversation: "channel:general", content: `missed ${round}.${n}` });
      }
      const back = next(atBob, "subscribed");
      wire.mend();
      const ctx = await back;
      rounds.push([ctx.wasRecovering, ctx.recovered]);
      const after = `after ${round}`;
      await ann.rpc("post", { conversation: "channel:general", content: after });
      while (!words(heard).some(([, text]) => text === after)) await next(atBob, "publication");
    }
    ann.disconnect(); bob.disconnect(); wire.close();
    return { rounds, offsets: heard.filter((c) => c.offset).map((c) => c.offset), words: words(heard).map(([, t]) => t), person: before.data.person.id };
  },

  async asks() {
    const [ann] = await connected();
    const [bob, who] = await connected();
    await ann.rpc("join_channel", { name: "random" });
    const [atAnn] = await subscribed(ann, "channel:random");
    const joined = next(atAnn, "join");
    const [atBob] = await subscribed(bob, "channel:random");
    const join = await joined;
    for (const content of ["one", "two", "three"]) await ann.rpc("post", { conversation: "channel:random", content });
    const presence = await atBob.presence();
    const stats = await atBob.presenceStats();
    const history = await atBob.history({ limit: 100 });
    const newest = await atBob.history({ limit: 2, reverse: true });
    const after = await atBob.history({ limit: 100, since: { offset: history.offset - 1, epoch: history.epoch } });
    const elsewhere = await atBob.history({ limit: 1, since: { offset: 1, epoch: "other" } }).catch((e) => e);
    const left = next(atAnn, "leave");
    atBob.unsubscribe();
    const leave = await left;
    const statsAfter = await atAnn.presenceStats();
    await bob.send({ nobody: "cares" });
    const pongs = await bob.rpc("search", { lobby: "timed" });
    const found = await ann.rpc("search", { lobby: "timed" });
    const room = `room:${found.data.room.id}`;
    const [, inRoom] = await subscribed(bob, room);
    const kept = [await ann.rpc("keep", { room: found.data.room.id }), await bob.rpc("keep", { room: found.data.room.id })];
    ann.disconnect(); bob.disconnect();
    return {
      bob: who.data.person.id, join: join.info.user, leave: leave.info.user,
      presence: Object.values(presence.clients).map((info) => info.user),
      stats: [stats.numClients, stats.numUsers, statsAfter.numClients],
      history: words(history.publications), newest: newest.publications.map((p) => p.offset),
      head: history.offset, after: after.publications.length, elsewhere: elsewhere.code,
      search: [pongs.data.status, found.data.status], room: [inRoom.streamPosition.epoch === found.data.room.epoch],
      kept: kept.map((answer) => [answer.data.room.state, answer.data.room.outcome]),
    };
  },

  async refreshes() {
    const given = [...args.tokens];
    let asked = 0;
    const [ann, ctx] = await connected({ token: args.first, getToken: async () => { asked++; return given.shift(); } });
    const states = [];
    ann.on("state", (change) => states.push(change.newState));
    while (asked < args.tokens.length) await new Promise((done) => setTimeout(done, 20));
    const answer = await ann.rpc("search", { lobby: "anonymous" });
    const state = ann.state;
    ann.disconnect();
    return { person: ctx.data.person.id, asked, states: states.filter((s) => s !== "disconnected"), state, works: answer.data.status };
  },

  async expired() {
    let asked = 0;
    const [ann, ctx] = await connected({ token: args.expired, getToken: async () => { asked++; return args.good; } });
    ann.disconnect();
    return { asked, person: ctx.data.person.id };
  },

  async turnedAway() {
    const ann = client({ token: "no token at all" });
    let attempts = 0;
    ann.on("connecting", () => attempts++);
    const ended = next(ann, "disconnected");
    ann.connect();
    const ctx = await ended;
    await new Promise((done) => setTimeout(done, 200));  // ten times the longest wait for a new attempt
    return { code: ctx.code, reason: ctx.reason, state: ann.state, attempts };
  },

  async follows() {
    process.on("unhandledRejection", () => {});  // the client does not look after what it posts to /emulation
    const [bob] = await connected({ token: args.token, timeout: 500 }, args.wire);
    const quick = { minResubscribeDelay: 20, maxResubscribeDelay: 60 };
    const [atBob, , heard] = await subscribed(bob, "channel:general", quick);
    const rounds = [];
    atBob.on("subscribed", (ctx) => {
      rounds.push([ctx.wasRecovering, ctx.recovered]);
      if (!ctx.recovered) heard.length = 0;  // told that something is missing
    });
    const last = await ask("subscribed");
    while (!words(heard).some(([, text]) => text === last)) await next(atBob, "publication");
    bob.disconnect();
    return { rounds, heard: heard.filter((ctx) => ctx.offset).map((ctx) => ctx.offset), words: words(heard) };
  },

  async drained() {
    const [ann, who] = await connected({ token: args.token });
    await ann.rpc("join_channel", { name: "general" });
    const [atAnn, , heard] = await subscribed(ann, "channel:general");
    const acked = [];
    for (let n = 0; n < 5; n++) {
      const answer = await ann.rpc("post", { conversation: "channel:general", content: `acked ${n}` });
      acked.push([answer.data.message.seq, answer.data.durable]);
    }
    const away = next(ann, "connecting");
    await ask("stop");
    const why = await away;
    const again = next(atAnn, "subscribed");
    await ask("start");
    const ctx = await again;
    const history = await atAnn.history({ limit: 100 });
    ann.disconnect();
    return {
      person: who.data.person.id, code: why.code, reason: why.reason, recovered: ctx.recovered, acked,
      stored: words(history.publications), heard: words(heard).length,
    };
  },
};

const deadline = setTimeout(() => { console.error("the story did not end"); process.exit(2); }, 25_000);
const found = await stories[process.argv[2]]();
clearTimeout(deadline);
console.log(JSON.stringify(found));
process.exit(0);
