// The customer's website: the form, the tickets, and the thread of one.

import { by, clock, make, picture, send } from "/words.js";

/** How long until an open ticket is read again, in milliseconds. The ETag makes that cheap. */
const PAUSE = 900;

const EXAMPLES = [
  ["Ada Winter", "ada@example.com", "Broken bottles", "high",
    "Three of the six bottles in my parcel arrived broken, and the rest smells of a very good party.\n\nCan you send new ones before Saturday?"],
  ["Tom Okafor", "tom@example.com", "Where is my order?", "medium",
    "I ordered twelve of the Elderflower a week ago. The tracking says it is on holiday in Antwerp."],
  ["Yuki Tanaka", "yuki@example.com", "The label is upside down 🙃", "low",
    "No complaint! It is rather pretty. I only wonder if I have to drink it standing on my head."],
  ["Noor Haddad", "noor@example.com", "Wedding on Friday", "urgent",
    "We are 140 guests and have no bottles. The venue says nothing came. Please call me."],
];

const STATES = {
  waiting: ["Waiting", "We have your ticket. It waits to be told to our manager."],
  sent: ["Sent ✓", "Told to WhatsApp."],
  delivered: ["Delivered ✓✓", "It is on our manager's phone."],
  read: ["Read ✓✓", "Our manager has read it."],
  failed: ["Failed", "WhatsApp could not deliver it. Our team sees that."],
};
const SENDERS = { customer: "You", manager: "Bramble Soda", agent: "Bramble Soda (team)" };

/** What is known of each ticket: `etag`, and `thread` as the API gave it. */
const known = new Map();
let listed = [];
let chosen = linked();
let nextExample = 0;

/** The ticket that a link in a message leads to. */
function linked() {
  const [, page, reference] = location.pathname.split("/");
  return page === "ticket" ? reference : null;
}

/** The board changed. */
export function show(state) {
  const isNew = state.tickets.length !== listed.length;
  listed = state.tickets;
  if (isNew) list();
}

/** Shows a ticket, or the form if there is none. */
export function choose(reference) {
  chosen = reference;
  history.replaceState(null, "", reference ? `/ticket/${reference}` : "/");
  by("form").hidden = Boolean(reference);
  // Until it is read nothing stands there, least of all another ticket.
  by("thread").hidden = true;
  list();
  if (!reference) return;
  drawn = "";
  draw();
  read(reference);
}

function list() {
  const items = listed.toReversed().map(({ ticketRef, subject }) => {
    const state = known.get(ticketRef)?.thread.ticket.delivery.state ?? "waiting";
    const button = make("button",
      { type: "button", "aria-pressed": String(ticketRef === chosen), title: ticketRef, onclick: () => choose(ticketRef) },
      make("i", { class: `dot ${state}`, title: STATES[state]?.[0] }), make("span", {}, subject));
    return make("li", {}, button);
  });
  by("tickets").replaceChildren(...items);
}

async function read(reference) {
  const before = known.get(reference);
  const answer = await fetch(`/website/tickets/${encodeURIComponent(reference)}`,
    { cache: "no-store", headers: before ? { "if-none-match": before.etag } : {} });
  if (answer.status === 404 && reference === chosen) {
    choose(null);
    say([{ message: "There is no such ticket." }]);
  }
  if (answer.status !== 200) return;
  known.set(reference, { etag: answer.headers.get("etag"), thread: await answer.json() });
  list();
  if (reference === chosen) draw();
}

let drawn = "";

function draw() {
  const entry = known.get(chosen);
  if (!entry || drawn === entry.etag) return;
  const isOther = drawn === "";
  drawn = entry.etag;
  by("thread").hidden = false;
  const { ticket, messages } = entry.thread;
  const [word, meaning] = STATES[ticket.delivery.state] ?? [ticket.delivery.state, ""];
  by("subject").textContent = ticket.subject;
  by("ref").textContent = `${ticket.ticketRef} · ${ticket.priority} · ${ticket.status}`;
  by("delivery").textContent = word;
  by("delivery").title = meaning;
  by("delivery").className = `delivery ${ticket.delivery.state}`;
  const place = by("messages");
  const before = isOther ? messages.length : place.children.length;
  place.replaceChildren(...messages.map((message, at) => make("li",
    { class: `${message.sender === "customer" ? "mine" : "theirs"}${at >= before ? " fresh" : ""}` },
    make("p", { class: "who" }, `${SENDERS[message.sender] ?? message.sender}, ${clock(message.createdAt)}`
      + (message.channel === "whatsapp" ? " by WhatsApp" : "")),
    ...(message.picture ? [picture(message.picture)] : []),
    ...(!message.picture && message.mediaUrl ? [make("p", {}, message.mediaUrl)] : []),
    ...(message.body ? [make("p", { class: "text" }, message.body)] : []))));
  place.scrollTop = place.scrollHeight;
}

async function watch() {
  const others = listed.map(({ ticketRef }) => ticketRef).filter((reference) => reference !== chosen);
  try {
    for (const reference of [...(chosen ? [chosen] : []), ...others]) await read(reference);
  } catch {
    // The board's watcher says that the demo has ended.
  }
  setTimeout(watch, PAUSE);
}

function fillIn() {
  const [name, email, subject, priority, message] = EXAMPLES[nextExample % EXAMPLES.length];
  const values = { customerName: name, customerEmail: email, subject, priority, message };
  values.customerPhone = `+1555020000${1 + (nextExample % EXAMPLES.length)}`;
  for (const [field, value] of Object.entries(values)) by("form").elements[field].value = value;
  nextExample += 1;
  say([]);
}

/** Shows what the server finds wrong with the form, each fault at its field. */
function say(errors) {
  const label = (field) => by("form").elements[field]?.labels[0].firstChild.textContent.trim() ?? field;
  by("errors").replaceChildren(...errors.map(({ field, message }) => make("li", {}, field ? `${label(field)}: ${message}` : message)));
  for (const input of by("form").elements) {
    if (input.name) input.setAttribute("aria-invalid", String(errors.some(({ field }) => field === input.name)));
  }
}

by("new").addEventListener("click", () => { choose(null); say([]); });
by("example").addEventListener("click", fillIn);

// The same form sent again, such as after a lost answer, opens no second ticket.
const newKey = () => crypto.randomUUID?.() ?? String(Math.random());
let key = newKey();
by("form").addEventListener("input", () => { key = newKey(); });

by("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = Object.fromEntries(new FormData(event.target));
  const answer = await send("POST", "/website/tickets", form, { "idempotency-key": key });
  const body = await answer.json();
  if (!answer.ok) return say(body.errors ?? [{ message: body.detail ?? body.title }]);
  key = newKey();
  say([]);
  by("form").reset();
  choose(body.ticketRef);
});

by("more").addEventListener("submit", async (event) => {
  event.preventDefault();
  const message = by("moreText").value.trim();
  const ticket = known.get(chosen)?.thread.ticket;
  if (!message || !ticket) return;
  const answer = await send("POST", `/website/tickets/${ticket.ticketRef}/messages`, { from: ticket.customerPhone, message });
  if (answer.ok) by("moreText").value = "";
  read(chosen);
});

choose(chosen);
fillIn();
setTimeout(watch, PAUSE);
