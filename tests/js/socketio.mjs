// The official Socket.IO client against a running server: `node socketio.mjs <story> <JSON>`.
// As clients.mjs: the last line is what the story found, and "ready" lines ask the test to act.
import net from "node:net";
import readline from "node:readline";
import { io } from "socket.io-client";
import WebSocket from "ws";

const args = JSON.parse(process.argv[3]);
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const EVENTS = ["matched", "message", "partner_left", "error"];

// A client, and what it heard: `await heard()` is the next event with its data.
function client(options = {}, to = args.url) {
  const socket = io(to, { forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 60, ...options });
  const events = [];
  const waiting = [];
  const tell = (...event) => (waiting.length ? waiting.shift()(event) : events.push(event));
  for (const name of EVENTS) socket.on(name, (data) => tell(name, data));
  socket.on("disconnect", (reason) => tell("disconnect", reason));
  const heard = () => (events.length ? Promise.resolve(events.shift()) : new Promise((done) => waiting.push(done)));
  return [socket, heard, events];
}

function next(emitter, event) {
  return new Promise((resolve) => emitter.once(event, resolve));
}

async function connected(options = {}, to = args.url) {
  const [socket, heard, rest] = client(options, to);
  await next(socket, "connect");
  return [socket, heard, rest];
}

async function ask(test) {
  console.log(JSON.stringify({ ready: test }));
  return (await answers.next()).value;
}

const ways = () => (args.transports ? { transports: args.transports } : {});

async function paired(options = ways()) {
  const ann = await connected(options);
  const bob = await connected(options);
  await ann[0].emitWithAck("search");
  await bob[0].emitWithAck("search", { interests: ["music"] });
  const both = [await ann[1](), await bob[1]()];
  return [ann, bob, both];
}

// A wire between a client and the server that can be cut, and mended.
async function proxy() {
  const there = new URL(args.url);
  const open = new Set();
  const asking = new Set();
  let isCut = false;
  const server = net.createServer((near) => {
    if (isCut) return void near.destroy();
    const far = net.connect(Number(there.port), there.hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.on("error", () => {});
      one.on("close", () => { open.delete(one); asking.delete(near); other.destroy(); });
      one.pipe(other);
    }
    near.on("data", () => asking.add(near));
    far.on("data", () => asking.delete(near));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  server.unref();
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    // While a poll waits; between two of them the server sees nothing end.
    async cut(hasPolls) {
      while (hasPolls() && !asking.size) await new Promise(setImmediate);
      isCut = true;
      for (const end of open) end.destroy();
    },
    mend() { isCut = false; },
  };
}

const stories = {
  async talks() {
    const [[ann, annHeard], [bob, bobHeard, bobRest], matched] = await paired();
    const acks = [await ann.emitWithAck("message", "hello 👋\u2028"), await bob.emitWithAck("message", { message: "hi" })];
    const said = [await bobHeard(), await annHeard()];
    ann.emit("message", "no ack");
    said.push(await bobHeard());
    acks.push(await ann.emitWithAck("skip"));
    const left = await bobHeard();
    acks.push(await bob.emitWithAck("message", "anybody?"));
    bob.emit("message", "anybody?");
    const error = await bobHeard();
    acks.push(await bob.emitWithAck("search"));
    const again = [await annHeard(), await bobHeard()];
    ann.disconnect();
    const gone = await bobHeard();
    const transports = [bob.io.engine.transport.name];
    const rest = [...bobRest];
    bob.disconnect();
    return { matched, acks, said, left, error, again, gone, transports, rest };
  },

  async upgrades() {
    const ann = client();
    const bob = client();
    const upgraded = [];
    await Promise.all([ann, bob].map(([socket]) => next(socket, "connect")));
    for (const [socket] of [ann, bob]) {
      const { engine } = socket.io;
      upgraded.push(engine.transport.name === "websocket" ? engine : next(engine, "upgrade"));
    }
    await ann[0].emitWithAck("search");
    await bob[0].emitWithAck("search");
    await Promise.all([ann[1](), bob[1]()]);
    for (let n = 0; n < args.many; n++) ann[0].emit("message", `${n}`);
    const heard = [];
    while (heard.length < args.many) heard.push((await bob[1]())[1]);
    await Promise.all(upgraded);
    await ann[0].emitWithAck("message", "by websocket");
    heard.push((await bob[1]())[1]);
    const transports = [ann, bob].map(([socket]) => socket.io.engine.transport.name);
    const rest = [...bob[2]];
    ann[0].disconnect(); bob[0].disconnect();
    return { heard, transports, rest };
  },

  async reconnects() {
    const wire = await proxy();
    const [bob, bobHeard] = await connected(ways());
    const [ann, annHeard] = await connected(ways(), wire.url);
    const first = ann.id;
    await ann.emitWithAck("search");
    await bob.emitWithAck("search");
    await Promise.all([annHeard(), bobHeard()]);
    await wire.cut(() => ann.io.engine.transport.name === "polling");
    const cutAt = Date.now();
    const left = await bobHeard();
    const took = Date.now() - cutAt;
    const [, reason] = await annHeard();
    wire.mend();
    if (!ann.connected) await next(ann, "connect");
    const acks = [await ann.emitWithAck("message", "still there?"), await ann.emitWithAck("search")];
    await bob.emitWithAck("search");
    const again = [(await annHeard())[0], (await bobHeard())[0]];
    const isAnother = ann.id !== first;
    ann.disconnect(); bob.disconnect();
    return { left, took, reason, acks, again, isAnother };
  },

  async misbehaves() {
    const [ann, annHeard] = await connected(ways());
    for (let n = 0; n < 10; n++) ann.emit("dance", { n });
    const heard = [];
    let event;
    do heard.push((event = await annHeard())); while (event[0] !== "disconnect");
    await new Promise((done) => setTimeout(done, 300));  // many times the longest wait for a new attempt
    return { heard, active: ann.active, connected: ann.connected };
  },

  async elsewhere() {
    const [other] = client(ways(), `${args.url}/admin`);
    const refused = await next(other, "connect_error");
    other.disconnect();
    const [ann] = await connected(ways());
    const binary = await ann.emitWithAck("message", Buffer.from([1, 2, 3]));
    const works = await ann.emitWithAck("search");
    ann.disconnect();
    return { refused: refused.message, binary, works };
  },

  async drained() {
    const clients = [];
    for (const transports of args.ways) clients.push(await connected({ transports }));
    const first = clients.map(([socket]) => socket.id);
    for (const [socket] of clients) await socket.emitWithAck("search");
    await ask("stop");
    const reasons = [];
    for (const [, heard] of clients) {
      let event;
      do event = await heard(); while (event[0] !== "disconnect");
      reasons.push(event[1]);
    }
    await ask("start");
    const works = [];
    for (const [socket] of clients) {
      if (!socket.connected) await next(socket, "connect");
      works.push(await socket.emitWithAck("search"));
    }
    const areOthers = clients.every(([socket], n) => socket.id !== first[n]);
    for (const [socket] of clients) socket.disconnect();
    return { reasons, works, areOthers };
  },

  // With a plain WebSocket client of the pair chat.
  async meets() {
    const [ann, annHeard] = await connected(ways());
    await ann.emitWithAck("search");
    const bob = new WebSocket(args.url.replace(/^http/, "ws") + "/ws/bob");
    const frames = [];
    const waiting = [];
    bob.on("message", (data) => (waiting.length ? waiting.shift()(JSON.parse(data)) : frames.push(JSON.parse(data))));
    const seen = () => (frames.length ? Promise.resolve(frames.shift()) : new Promise((done) => waiting.push(done)));
    const greeted = [(await seen()).event, (await seen()).event, (await seen()).event];
    const matched = await annHeard();
    await ann.emitWithAck("message", "hello from Socket.IO");
    const atBob = await seen();
    bob.send("hello from afar");
    const atAnn = await annHeard();
    bob.send('{"type":"skip"}');
    const left = await annHeard();
    bob.close();
    ann.disconnect();
    return { greeted, matched, atBob, atAnn, left };
  },
};

const deadline = setTimeout(() => { console.error("the story did not end"); process.exit(2); }, 25_000);
const found = await stories[process.argv[2]]();
console.log(JSON.stringify(found));
deadline.unref();  // the end comes when every goodbye is said
process.stdin.destroy();
