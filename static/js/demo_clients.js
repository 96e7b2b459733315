/**
 * @file Minimal clients of three protocols, for demonstration.
 *
 * A client calls the methods of its `pane`: `frame(way, text)`, `state(words)`, `paired()`,
 * `message(text, isOwn)`, `left()`, `closed(words)`. Not here: the appearance of a pane (demo.js),
 * and reconnecting, errors and limits. See chat.js for a complete client.
 */

const HERE = location.origin;
const SOCKETS = HERE.replace(/^http/, "ws");

/** A WebSocket that shows each frame in its pane. */
class Wire {
  constructor(pane, address) {
    this.pane = pane;
    this.socket = new WebSocket(SOCKETS + address);
    this.socket.addEventListener("open", () => this.opened());
    this.socket.addEventListener("message", (event) => {
      pane.frame("came", event.data);
      this.came(event.data);
    });
    this.socket.addEventListener("close", (event) => pane.closed(`${event.code} ${event.reason}`.trim()));
  }

  opened() {}

  send(text) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.pane.frame("sent", text);
    this.socket.send(text);
  }

  close() {
    this.socket.close();
  }
}

/** P0: messages only. The server queues the client when it connects and when its partner leaves. */
class PlainPair extends Wire {
  /** A separate guest: with the cookie, two panes of one browser would be the same person. */
  static async open(pane) {
    const asked = { method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" }, body: "{}" };
    const answer = await fetch("/api/auth/guest", asked);
    if (!answer.ok) throw new Error("no guest");
    const { access_token: token } = await answer.json();
    return new PlainPair(pane, `/ws/demo?token=${encodeURIComponent(token)}`);
  }

  came(text) {
    const frame = JSON.parse(text);
    if (frame.type === "message") this.pane.message(frame.message, false);
    else if (frame.event === "paired") this.pane.paired();
    else if (frame.event === "partner_left") this.pane.left();
    else this.pane.state(frame.message);
  }

  say(text) {
    this.send(JSON.stringify({ type: "message", message: text }));
    this.pane.message(text, true);
  }

  skip() {
    this.send('{"type":"skip"}');
  }
}

/** Shared by both transports of Socket.IO: packets, of which `4` is a message. */
const socketIo = (Base) =>
  class extends Base {
    #acks = 0;

    came(packet) {
      if (packet === "2") this.send("3");
      else if (packet.startsWith("0")) this.send("40");
      else if (packet.startsWith("40")) this.#emit("search");
      else if (packet.startsWith("42")) this.#heard(...JSON.parse(packet.slice(2)));
    }

    say(text) {
      this.#emit("message", text);
      this.pane.message(text, true);
    }

    skip() {
      this.#emit("skip");
    }

    #emit(...event) {
      this.#acks += 1;
      this.send(`42${this.#acks}${JSON.stringify(event)}`);
      if (event[0] !== "message") this.pane.state("Waiting for somebody to talk to.");
    }

    #heard(name, data) {
      if (name === "matched") this.pane.paired();
      else if (name === "message") this.pane.message(data, false);
      else if (name === "partner_left") this.pane.left();
      else this.pane.state(data.message);
    }
  };

/** Engine.IO by long polling: receives packets by GET, with a separator between them, and sends by POST. */
class Polls {
  #address = "/socket.io/?EIO=4&transport=polling";
  #unsent = [];
  #isSending = false;
  #stop = new AbortController();

  constructor(pane) {
    this.pane = pane;
    this.#poll();
  }

  async #poll() {
    try {
      while (!this.#stop.signal.aborted) {
        const answer = await fetch(this.#address, { signal: this.#stop.signal, cache: "no-store" });
        if (!answer.ok) throw new Error(`${answer.status}`);
        for (const packet of (await answer.text()).split("\x1e")) {
          this.pane.frame("came", packet);
          if (packet.startsWith("0")) this.#address += `&sid=${encodeURIComponent(JSON.parse(packet.slice(1)).sid)}`;
          if (packet === "1") throw new Error("closed by the server");
          this.came(packet);
        }
      }
    } catch (error) {
      this.#stop.abort();
      this.pane.closed(error.name === "AbortError" ? "" : error.message);
    }
  }

  send(packet) {
    this.pane.frame("sent", packet);
    this.#unsent.push(packet);
    if (!this.#isSending) this.#post();
  }

  async #post() {
    this.#isSending = true;
    try {
      while (this.#unsent.length) {
        const body = this.#unsent.splice(0).join("\x1e");
        const answer = await fetch(this.#address, { method: "POST", body });
        if (!answer.ok) throw new Error(`${answer.status}`);
      }
    } catch {
      this.#stop.abort();
    }
    this.#isSending = false;
  }

  close() {
    this.send("1");
    this.#stop.abort();
  }
}

class SocketIoByPolls extends socketIo(Polls) {
  static async open(pane) {
    return new SocketIoByPolls(pane);
  }
}

class SocketIoByWebSocket extends socketIo(Wire) {
  static async open(pane) {
    return new SocketIoByWebSocket(pane, "/socket.io/?EIO=4&transport=websocket");
  }
}

/** P5, the protocol of Parley's own pages: commands with an id, replies, and pushes. */
class Centrifugal extends Wire {
  #id = 0;
  #room = null;

  static async open(pane) {
    return new Centrifugal(pane, "/connection/websocket");
  }

  opened() {
    this.#ask({ connect: {} });
    this.#call("search", { lobby: "anonymous" });
    this.pane.state("Waiting for somebody to talk to.");
  }

  came(text) {
    for (const line of text.split("\n")) {
      const frame = JSON.parse(line);
      const data = frame.push?.pub?.data;
      if (line === "{}") this.send("{}");
      else if (frame.error) this.pane.state(frame.error.message.replace(/^[a-z_]+ /, ""));
      else if (data?.type === "matched") this.#matched(data.room);
      else if (data?.type === "partner_left" && data.room_id === this.#room?.id) this.#left();
      else if (data?.type === "message_posted") this.#posted(data.message);
    }
  }

  say(text) {
    if (this.#room) this.#call("post", { conversation: this.#room.id, content: text });
  }

  skip() {
    if (this.#room) this.#call("skip", { room: this.#room.id });
    else this.#call("search", { lobby: "anonymous" });
    this.#room = null;
    this.pane.state("Waiting for somebody to talk to.");
  }

  #matched(room) {
    this.#room = room;
    this.#ask({ subscribe: { channel: `room:${room.id}`, recover: true, epoch: room.epoch, offset: 0 } });
    this.pane.paired();
  }

  #left() {
    this.#room = null;
    this.pane.left();
  }

  #posted(message) {
    if (message.conversation === this.#room?.id) this.pane.message(message.content, message.author.id === this.#room.me.id);
  }

  #call(method, data) {
    this.#ask({ rpc: { method, data } });
  }

  #ask(command) {
    this.#id += 1;
    this.send(JSON.stringify({ id: this.#id, ...command }));
  }
}

/** The clients by the names in the page. */
export const CLIENTS = {
  p0: PlainPair,
  "p2-websocket": SocketIoByWebSocket,
  "p2-polling": SocketIoByPolls,
  p5: Centrifugal,
};
