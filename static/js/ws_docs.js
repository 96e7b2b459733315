// /ws/docs: a live console. Connect, pick a frame, edit it, send it; the log shows both directions.

const LINES_MAX = 500;
const PONGS = { "{}": "{}", 2: "3" };
const $ = (id) => document.getElementById(id);
let socket = null;

function say(words) {
  $("state").textContent = words;
}

function log(way, text) {
  const line = document.createElement("li");
  line.className = way;
  for (const part of [new Date().toLocaleTimeString("en-GB"), way, text]) {
    const span = document.createElement("span");
    span.textContent = part;
    line.append(span);
  }
  const list = $("log");
  const at_end = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(line);
  while (list.childElementCount > LINES_MAX) list.firstElementChild.remove();
  if (at_end) list.scrollTop = list.scrollHeight;
}

/** Updates everything that depends on the chosen protocol. */
function choose() {
  const chosen = $("dialogue").selectedOptions[0];
  const origin = location.origin.replace(/^http/, "ws");
  const { address } = chosen.dataset;
  const token = /\{name\}|\{room_id\}|notifications/.test(address) ? "?token=" : "";
  $("address").value = origin + address.replace("{user_id}", "console") + token;
  const frames = document.querySelectorAll(`[data-dialogue="${chosen.value}"]`);
  $("frame").replaceChildren(
    ...[...frames].map((frame) => new Option(frame.dataset.frame, frame.textContent)),
  );
  $("text").value = $("frame").value;
}

function connect() {
  try {
    socket = new WebSocket($("address").value);
  } catch (error) {
    say(`Not a valid WebSocket address: ${error.message}`);
    return;
  }
  const own = socket;
  say("Connecting…");
  $("connect").textContent = "Disconnect";
  own.addEventListener("open", () => say("Connected."));
  own.addEventListener("message", (event) => {
    log("came", event.data);
    // P5 and P2 require an answer to each ping, faster than a person can send it.
    const pong = PONGS[event.data];
    if (pong) {
      own.send(pong);
      log("sent", pong);
    }
  });
  own.addEventListener("close", (event) => {
    say(`Closed: ${event.code} ${event.reason || "without a reason"}.`);
    log("closed", `${event.code} ${event.reason}`);
    if (socket === own) {
      socket = null;
      $("connect").textContent = "Connect";
    }
  });
}

$("dialogue").addEventListener("change", choose);
$("frame").addEventListener("change", () => {
  $("text").value = $("frame").value;
});
$("clear").addEventListener("click", () => $("log").replaceChildren());
$("connect-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket) socket.close();
  else connect();
});
$("send-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket?.readyState !== WebSocket.OPEN) {
    say("Connect first.");
    return;
  }
  socket.send($("text").value);
  log("sent", $("text").value);
});
choose();
