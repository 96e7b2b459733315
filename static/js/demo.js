// /demo: two panes, each a client of the chosen protocol, with the frames that it sends and receives.

import { CLIENTS } from "./demo_clients.js";

const LINES_MAX = 200;

/** One pane: events of its client, and actions of the person. */
class Pane {
  #client = null;
  #turn = 0; // grows with each connection; events of an older one are ignored

  constructor(root) {
    this.root = root;
    const at = (name) => root.querySelector(`[data-part="${name}"]`);
    [this.choice, this.status, this.talk, this.frames] = ["choice", "state", "talk", "frames"].map(at);
    [this.text, this.send, this.next] = ["text", "send", "skip"].map(at);
    this.choice.addEventListener("change", () => this.connect());
    this.next.addEventListener("click", () => this.#skip());
    at("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
    });
  }

  async connect() {
    this.#turn += 1;
    const turn = this.#turn;
    this.#client?.close();
    this.#client = null;
    this.talk.replaceChildren();
    this.frames.replaceChildren();
    this.#show("connecting", "Connecting…");
    const told = new Proxy(this, {
      get: (pane, name) => (...what) => turn === this.#turn && pane[name](...what),
    });
    try {
      const client = await CLIENTS[this.choice.value].open(told);
      if (turn === this.#turn) this.#client = client;
      else client.close();
    } catch {
      told.closed("The server does not answer.");
    }
  }

  // Events of the client

  frame(way, text) {
    const line = document.createElement("li");
    line.className = way;
    for (const part of [way === "sent" ? "→" : "←", text]) {
      const span = document.createElement("span");
      span.textContent = part;
      line.append(span);
    }
    line.firstElementChild.setAttribute("role", "img");
    line.firstElementChild.setAttribute("aria-label", way === "sent" ? "to the server" : "from the server");
    add(this.frames, line);
  }

  state(words) {
    this.#show("waiting", words);
  }

  paired() {
    this.talk.replaceChildren();
    this.#show("paired", "Chatting with a stranger.");
  }

  message(text, isOwn) {
    const line = document.createElement("li");
    line.className = isOwn ? "own" : "theirs";
    line.textContent = text;
    add(this.talk, line, this.talk.parentElement);
  }

  left() {
    this.#show("left", "Your partner has left.");
  }

  closed(words) {
    this.#client = null;
    this.#show("closed", `Closed. ${words}`.trim());
  }

  // Actions of the person

  #say() {
    const text = this.text.value.trim();
    if (!text || this.root.dataset.state !== "paired") return;
    this.#client?.say(text);
    this.text.value = "";
  }

  #skip() {
    if (this.#client) this.#client.skip();
    else this.connect();
  }

  #show(state, words) {
    this.root.dataset.state = state;
    this.status.textContent = words;
    this.send.setAttribute("aria-disabled", String(state !== "paired"));
    this.next.textContent = state === "closed" ? "Connect" : state === "left" ? "Next" : "Skip";
  }
}

/** Appends a line; scrolls to it if the list was at its end. */
function add(list, line, scrolled = list) {
  const isAtEnd = scrolled.scrollHeight - scrolled.scrollTop - scrolled.clientHeight < 40;
  list.append(line);
  while (list.childElementCount > LINES_MAX) list.firstElementChild.remove();
  if (isAtEnd) scrolled.scrollTop = scrolled.scrollHeight;
}

for (const root of document.querySelectorAll("[data-pane]")) new Pane(root).connect();
