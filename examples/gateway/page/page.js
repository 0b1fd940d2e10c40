"use strict";

// What the server keeps, and how many rows a table shows.
const KEPT = 500, ROWS = 100;
// The timeline: how many identities have a row each, and the height of a row in pixels.
const IDENTITIES = 8, ROW = 26;

const byId = id => document.getElementById(id);
const status = byId("status"), timeline = byId("timeline"), range = byId("range");
const faultButtons = [...document.querySelectorAll("[data-fault]")];

let entries = [], lasting = [], sessionRows = [], offset = 0, drawing = false;

const now = () => performance.now() - offset;

// Texts are only ever set as text: paths and identities come from clients.
function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const two = number => String(number).padStart(2, "0");

// A time since the start, such as 4:05 or 1:04:05.
function clock(ms) {
  const seconds = Math.floor(Math.abs(ms) / 1000), hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return (hours ? `${hours}:${two(minutes)}` : minutes) + `:${two(seconds % 60)}`;
}

// What came of a request, as a word for styles and marks.
function kind(request) {
  if (request.status === null) return "none";
  if (request.session) return "granted";
  return request.status < 400 && !request.kept_away ? "served" : "refused";
}

function result(request) {
  if (request.status === null) return request.reset ? "reset" : "no reply";
  const delay = request.delay_ms ? `, after ${request.delay_ms / 1000} s` : "";
  return (request.session ? `session ${request.session.number}` : request.status) + delay;
}

function addRequest(entry) {
  const row = element("tr"), what = element("td", "", `${entry.method} ${entry.path}`);
  // On a narrow page, in place of the column.
  if (entry.identity) what.append(element("span", "detail narrow", entry.identity));
  if (entry.faults.length) what.append(element("span", "detail", `under ${entry.faults.join("; ")}`));
  row.append(
    element("td", "time", clock(entry.at_ms)), what,
    element("td", "who", entry.identity ?? "–"), element("td", kind(entry), result(entry)));
  prepend("requests", row);
  if (!entry.session) return;
  const session = element("tr"), life = element("td", "life");
  session.append(
    element("td", "number", entry.session.number), element("td", "", entry.identity ?? "–"),
    element("td", "time", clock(entry.at_ms)), life);
  prepend("sessions", session);
  sessionRows.unshift({ entry, life });
  sessionRows.length = Math.min(sessionRows.length, ROWS);
}

function prepend(id, row) {
  const body = document.querySelector(`#${id} tbody`);
  body.prepend(row);
  if (body.rows.length > ROWS) body.lastChild.remove();
}

// Tokens that live when all are revoked end there.
function revoke(at) {
  for (const { session } of entries) {
    if (session && session.expires_ms > at) session.revoked_ms ??= at;
  }
}

function showLives() {
  for (const { entry: { session }, life } of sessionRows) {
    const left = session.expires_ms - now();
    life.textContent = session.revoked_ms !== undefined ? "revoked" : left > 0 ? clock(left) : "expired";
    life.classList.toggle("over", session.revoked_ms !== undefined || left <= 0);
  }
}

function take(news, isAll) {
  offset = performance.now() - news.now_ms;
  if (isAll) {
    entries = [];
    sessionRows = [];
    for (const body of document.querySelectorAll("tbody")) body.replaceChildren();
  }
  for (const entry of news.entries) {
    entries.push(entry);
    if (entry.kind === "request") addRequest(entry);
    if (entry.kind === "revoked") revoke(entry.at_ms);
  }
  entries.splice(0, entries.length - KEPT);
  lasting = news.lasting;
  for (const count of document.querySelectorAll("[data-count]")) {
    count.textContent = news.counts[count.dataset.count];
  }
  for (const button of faultButtons) {
    const own = lasting.filter(one => one.name === button.dataset.fault);
    const planned = own.filter(one => one.by === "plan").map(one => one.label);
    button.setAttribute("aria-pressed", own.some(one => one.by === "hand"));
    button.classList.toggle("planned", planned.length > 0);
    button.title = planned.length ? `begun by the plan: ${planned.join("; ")}` : "";
  }
  showLives();
  draw();
}

function connected(is, text) {
  status.textContent = text;
  status.classList.toggle("lost", !is);
  for (const button of document.querySelectorAll("button")) button.disabled = !is;
}

async function ask(method, path) {
  const reply = await fetch(path, { method }).catch(() => null);
  if (reply && !reply.ok) connected(true, `${method} ${path}: ${reply.status} ${await reply.text()}`);
}

// The spans of faults, those that last included.
function faultSpans() {
  const ended = entries.filter(entry => entry.kind === "ended")
    .map(({ label, since_ms, at_ms }) => ({ label, from: since_ms, to: at_ms }));
  return [...ended, ...lasting.map(({ label, since_ms }) => ({ label, from: since_ms, to: now() }))];
}

// The rows of the timeline: the identities that were seen last, all others in one, then the faults.
function rows() {
  const requests = entries.filter(entry => entry.kind === "request");
  const recent = [...new Set(requests.map(entry => entry.identity).reverse())].filter(name => name !== null);
  const own = recent.slice(0, IDENTITIES);
  const found = own.map(name => ({ label: name, requests: requests.filter(entry => entry.identity === name) }));
  const others = requests.filter(entry => !own.includes(entry.identity));
  if (others.length) {
    const label = recent.length > IDENTITIES ? "others" : "no identity";
    found.push({ label, requests: others });
  }
  for (const [label, spans] of Map.groupBy(faultSpans(), span => span.label)) found.push({ label, requests: [], spans });
  return found;
}

const STEPS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400].map(s => s * 1000);

function drawNow() {
  drawing = false;
  const width = timeline.clientWidth, left = Math.min(150, Math.round(width * 0.3)), right = width - 14;
  const end = Math.max(now(), 1000), first = entries.length === KEPT ? entries[0].at_ms : 0;
  const begin = Number(range.value) ? Math.max(first, end - range.value) : first;
  const x = at => left + (Math.min(Math.max(at, begin), end) - begin) / (end - begin) * (right - left);
  const shown = at => at >= begin;
  const list = rows(), bottom = Math.max(list.length, 1) * ROW + 6;
  const drawn = [];
  const step = STEPS.find(step => (right - left) * step / (end - begin) >= 70) ?? 7 * 86400000;
  for (let at = Math.ceil(begin / step) * step; at <= end; at += step) {
    drawn.push(svg("line", { class: "grid", x1: x(at), x2: x(at), y1: 0, y2: bottom }));
    drawn.push(svg("text", { class: "tick", x: x(at), y: bottom + 14, "text-anchor": "middle" }, clock(at)));
  }
  const most = Math.floor((left - 8) / 6.6);
  list.forEach((row, index) => {
    const y = index * ROW + ROW / 2 + 3;
    const label = row.label.length > most ? row.label.slice(0, most - 1) + "…" : row.label;
    drawn.push(svg("text", { x: 0, y: y + 4 }, label));
    for (const { from, to } of row.spans ?? []) {
      if (shown(to)) drawn.push(svg("rect", { class: "span", x: x(from), y: y - 5, height: 10, rx: 2, width: Math.max(x(to) - x(from), 2) }));
    }
    for (const { session, at_ms } of row.requests) {
      const over = session && Math.min(session.expires_ms, session.revoked_ms ?? Infinity);
      if (session && shown(over) && over > at_ms) {
        drawn.push(svg("rect", { class: "bar", x: x(at_ms), y: y - 4 + session.number % 2 * 4, height: 4, width: Math.max(x(over) - x(at_ms), 1) }));
      }
    }
    for (const entry of row.requests) if (shown(entry.at_ms)) drawn.push(mark(kind(entry), x(entry.at_ms), y));
  });
  for (const entry of entries) {
    if (entry.kind === "revoked" && shown(entry.at_ms)) {
      drawn.push(svg("line", { class: "mark revoked", x1: x(entry.at_ms), x2: x(entry.at_ms), y1: 0, y2: bottom }));
    }
  }
  timeline.replaceChildren(...drawn);
  timeline.style.height = `${bottom + 20}px`;
}

// The shapes differ, so that nobody needs the colours.
function mark(kind, x, y) {
  const shapes = {
    granted: `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`,
    served: `M${x} ${y - 6}v12`,
    refused: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8`,
    none: `M${x - 5} ${y}l5 -5l5 5l-5 5z`,
  };
  return svg("path", { class: `mark ${kind}`, d: shapes[kind] });
}

function draw() {
  if (!drawing) requestAnimationFrame(drawNow);
  drawing = true;
}

for (const button of faultButtons) {
  button.addEventListener("click", () => {
    const isOn = button.getAttribute("aria-pressed") === "true";
    ask(isOn ? "DELETE" : "PUT", `faults/${button.dataset.fault}`);
  });
}
byId("revoke").addEventListener("click", () => ask("POST", "revoke"));
byId("release").addEventListener("click", () => {
  for (const { name, by } of lasting) if (by === "hand") ask("DELETE", `faults/${name}`);
});
range.addEventListener("change", draw);
addEventListener("resize", draw);
setInterval(() => { if (!status.classList.contains("lost")) { showLives(); draw(); } }, 1000);

connected(false, "connecting");
const events = new EventSource("events");
events.addEventListener("snapshot", event => { connected(true, "connected"); take(JSON.parse(event.data), true); });
events.addEventListener("change", event => take(JSON.parse(event.data), false));
events.addEventListener("error", () => {
  const isOver = events.readyState === EventSource.CLOSED;
  connected(false, isOver ? "not connected: too many pages are open; close one, and reload" : "not connected: does the gateway run?");
});
