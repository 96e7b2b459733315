// /docs: sends an operation, or copies it as curl. The server renders the page itself.

const $ = (id) => document.getElementById(id);

/** The address of an operation with the values of its form. */
function address(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll("[data-in]")) {
    if (input.dataset.in === "path") path = path.replace(`{${input.dataset.name}}`, encodeURIComponent(input.value));
    else if (input.value !== "") query.set(input.dataset.name, input.value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

function request(form) {
  const headers = {};
  const token = $("token").value.trim();
  if (token && "token" in form.dataset) headers.Authorization = `Bearer ${token}`;
  const body = form.querySelector("[data-body]")?.value;
  if (body) headers["Content-Type"] = "application/json";
  return { method: form.dataset.method, headers, ...(body ? { body } : {}) };
}

/** The first event of a stream, which is then closed, because it would never end. */
async function begun(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!/\{.*\n/.test(text)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  await reader.cancel();
  return text.trim();
}

/** The response as text for people. */
async function told(response) {
  const type = response.headers.get("Content-Type") ?? "";
  const is_stream = /^(text\/event-stream|application\/x-ndjson)/.test(type);
  const text = await (is_stream ? begun(response) : response.text());
  const is_json = type.startsWith("application/json");
  const shown = is_json && text ? JSON.stringify(JSON.parse(text), null, 2) : text;
  return `${response.status} ${response.statusText}\n${shown}`;
}

async function send(form) {
  const answer = form.querySelector(".answer");
  answer.hidden = false;
  answer.textContent = "Waiting for the server…";
  try {
    answer.textContent = await told(await fetch(address(form), request(form)));
  } catch (error) {
    answer.textContent = `The server did not answer: ${error.message}`;
  }
}

const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

function curl(form) {
  const { method, headers, body } = request(form);
  const parts = ["curl", "-X", method, quoted(new URL(address(form), location.href).href)];
  for (const [name, value] of Object.entries(headers)) parts.push("-H", quoted(`${name}: ${value}`));
  if (body) parts.push("-d", quoted(body));
  return parts.join(" ");
}

async function copy(button, form) {
  const text = curl(form);
  const answer = form.querySelector(".answer");
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    answer.hidden = false;
    answer.textContent = text;
  }
}

for (const form of document.querySelectorAll("form[data-method]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  const button = form.querySelector("[data-copy]");
  button.addEventListener("click", () => copy(button, form));
}

$("token-form").addEventListener("submit", (event) => event.preventDefault());
$("guest").addEventListener("click", async () => {
  const problem = $("token-problem");
  problem.textContent = "";
  try {
    const response = await fetch("/api/auth/guest", { method: "POST" });
    const answer = await response.json();
    if (response.ok) $("token").value = answer.access_token;
    else problem.textContent = answer.error.message;
  } catch (error) {
    problem.textContent = `The server did not answer: ${error.message}`;
  }
});

if (location.hash) {
  const entry = $(location.hash.slice(1));
  if (entry?.matches("details")) entry.open = true;
}
