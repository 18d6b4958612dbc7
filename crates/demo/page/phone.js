// The phone: its chat, quoting, pictures, and what is typed.

import { by, clock, formatted, make, picture, pictures, send } from "/words.js";
import { choose } from "/website.js";

const TICKS = {
  failed: ["!", "n8n did not take it"],
  sent: ["✓", "Sent"],
  delivered: ["✓✓", "Delivered"],
  read: ["✓✓", "Read"],
};
/** How far a bubble is swiped, in pixels, and how long it is pressed, in milliseconds, to be quoted. */
const SWIPE = 56;
const PRESS = 500;

let phones = [];
/** Which phone is shown. */
let shown = 0;
/** The bubble that is quoted. */
let quoting = null;
let attached = [];
let isLookedAt = false;
let isOff = false;
/** Whether the newest bubble is in sight, and shall stay so. */
let isAtEnd = true;
/** The elements of the bubbles shown, by id. */
let elements = new Map();

/** The board changed. */
export function show(state) {
  const isFirst = phones.length > 0 && phones[1].bubbles.length === 0 && state.phones[1].bubbles.length > 0;
  phones = state.phones;
  isOff = state.trouble.phoneOff;
  by("phone").inert = isOff;
  by("off").hidden = !isOff;
  if (isFirst) return hold(1);
  drawTabs();
  drawBubbles();
  if (isLookedAt) look();
}

/** Takes a phone in hand. */
function hold(at) {
  shown = at;
  elements = new Map();
  by("bubbles").replaceChildren();
  quote(null);
  drawTabs();
  drawBubbles();
}

const unread = (phone) => phone.bubbles.filter(({ author, ticks }) => author === "server" && ticks !== "read").length;

function drawTabs() {
  by("owner").textContent = `${phones[shown].owner}'s phone, ${phones[shown].number}`;
  by("phones").hidden = phones[1].bubbles.length === 0;
  by("phones").replaceChildren(...phones.map((phone, at) => make("button",
    { type: "button", "aria-pressed": String(at === shown), onclick: () => hold(at) },
    phone.owner, ...(unread(phone) ? [make("b", { title: "unread" }, String(unread(phone)))] : []))));
}

function drawBubbles() {
  const place = by("bubbles");
  if (place.children.length === 0) {
    place.append(make("div", { class: "pill" }, "This phone is played. Nothing leaves your machine."),
      make("div", { class: "pill empty", id: "empty" }, "Tickets arrive here. Open one on the website."));
  }
  const { bubbles } = phones[shown];
  if (bubbles.length) by("empty")?.remove();
  let isNew = false;
  for (const bubble of bubbles) {
    const element = elements.get(bubble.sid);
    if (element) {
      drawTicks(element, bubble);
    } else {
      isNew = true;
      elements.set(bubble.sid, draw(bubble));
      place.append(elements.get(bubble.sid));
    }
  }
  if (isNew) place.scrollTop = place.scrollHeight;
}

const isMine = ({ author }) => author === "manager";
const short = ({ text, picture: name }) => text.replaceAll(/[*_~]/g, "").split("\n").filter(Boolean).slice(0, 3).join(" · ")
  || (name ? "📷 Photo" : "");
const writer = (bubble) => (isMine(bubble) ? "You" : "Ticket desk");

function draw(bubble) {
  const quoted = phones[shown].bubbles.find(({ sid }) => sid === bubble.quoting);
  const body = make("div", { class: "bubble" },
    ...(bubble.template ? [make("p", { class: "tag" }, "Template")] : []),
    ...(quoted ? [make("blockquote", {}, make("b", {}, writer(quoted)), short(quoted))] : []),
    ...(bubble.picture ? [picture(bubble.picture)] : []),
    ...(bubble.text ? [make("p", { class: "text" }, ...formatted(bubble.text))] : []),
    ...choices(bubble),
    make("p", { class: "foot" }, make("time", { datetime: bubble.at }, clock(bubble.at)), make("span", { class: "ticks" })));
  const element = make("div", { class: `${isMine(bubble) ? "mine" : "theirs"} ${bubble.author}` }, body,
    make("button", { type: "button", class: "quote", "aria-label": `Quote: ${short(bubble).slice(0, 60)}`, title: "Quote this message",
      onclick: () => quote(bubble) }, "↩"));
  drawTicks(element, bubble);
  feel(body, bubble);
  return element;
}

/** Buttons under a message, or the rows of a list behind one, as WhatsApp shows them. */
function choices(bubble) {
  const tap = ({ title, payload }, row) => {
    row.closest("details")?.removeAttribute("open");
    send("POST", "/phone/messages", { number: phones[shown].number, text: title, quoting: bubble.sid, tapped: payload });
  };
  const all = bubble.actions.map((action) => make("button", { type: "button", onclick: ({ target }) => tap(action, target) },
    action.title, ...(action.description ? [make("small", {}, action.description)] : [])));
  if (all.length === 0) return [];
  const isList = bubble.actions.some(({ description }) => description !== undefined);
  return isList ? [make("details", { class: "choices" }, make("summary", {}, "Choose"), ...all)] : [make("div", { class: "choices" }, ...all)];
}

function drawTicks(element, bubble) {
  const place = element.querySelector(".ticks");
  if (bubble.author === "answer" || place.dataset.ticks === bubble.ticks) return;
  const [sign, meaning] = TICKS[bubble.ticks];
  place.dataset.ticks = bubble.ticks;
  place.replaceChildren(make("span", { role: "img", "aria-label": meaning, title: meaning }, sign));
  if (bubble.ticks === "failed") {
    place.append(make("button", { type: "button", onclick: () => send("POST", `/phone/messages/${bubble.sid}/again`, {}) },
      "n8n did not take it. Again"));
  }
}

/** Swiping or pressing long quotes, as in WhatsApp; so does a double click. */
function feel(body, bubble) {
  let from = null;
  let timer;
  const rest = () => {
    clearTimeout(timer);
    body.style.transform = "";
    from = null;
  };
  body.addEventListener("pointerdown", (event) => {
    if (event.target.closest("a, button")) return;
    from = event.clientX;
    if (event.pointerType !== "mouse") timer = setTimeout(() => { rest(); quote(bubble); }, PRESS);
  });
  body.addEventListener("pointermove", (event) => {
    if (from === null || event.buttons === 0) return;
    const far = Math.min(Math.max(event.clientX - from, 0), SWIPE + 8);
    if (far > 6) clearTimeout(timer);
    body.style.transform = far > 6 ? `translateX(${far}px)` : "";
    if (far >= SWIPE) { rest(); quote(bubble); }
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) body.addEventListener(end, rest);
  body.addEventListener("dblclick", () => quote(bubble));
}

function quote(bubble) {
  quoting = bubble;
  by("quoted").hidden = !bubble;
  if (!bubble) return;
  by("quotedText").replaceChildren(make("b", {}, writer(bubble)), short(bubble));
  by("text").focus();
}

function attach(names) {
  attached = names;
  by("attached").hidden = names.length === 0;
  by("attachedPictures").replaceChildren(...names.map(picture));
  openPictures(false);
  by("text").focus();
}

function openPictures(isOpen) {
  by("pictures").hidden = !isOpen;
  by("attach").setAttribute("aria-expanded", String(isOpen));
}

function look() {
  if (isOff) return;
  const { bubbles, number } = phones[shown] ?? { bubbles: [] };
  if (bubbles.some(({ author, ticks }) => author === "server" && ticks === "delivered")) send("POST", "/phone/read", { number });
}

async function reply() {
  const text = by("text").value.trim();
  if (!text && attached.length === 0) return;
  const message = { number: phones[shown].number, text, quoting: quoting?.sid ?? null, pictures: attached };
  by("text").value = "";
  grow();
  quote(null);
  attach([]);
  await send("POST", "/phone/messages", message);
}

function grow() {
  by("text").style.height = "auto";
  by("text").style.height = `${Math.min(by("text").scrollHeight, 110)}px`;
}

by("pictures").append(
  ...pictures.map((name) => make("button", { type: "button", onclick: () => attach([name]) }, picture(name))),
  make("button", { type: "button", class: "album", onclick: () => attach(pictures) }, "All three, as an album"));
by("attach").addEventListener("click", () => openPictures(by("pictures").hidden));
by("detach").addEventListener("click", () => attach([]));
by("unquote").addEventListener("click", () => quote(null));
by("bubbles").addEventListener("scroll", ({ target }) => {
  isAtEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
});
new ResizeObserver(() => { if (isAtEnd) by("bubbles").scrollTop = by("bubbles").scrollHeight; }).observe(by("bubbles"));
by("reply").addEventListener("submit", (event) => { event.preventDefault(); reply(); });
by("text").addEventListener("input", grow);
by("text").addEventListener("keydown", (event) => {
  if (event.key === "Escape") { quote(null); attach([]); }
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); reply(); }
});
by("bubbles").addEventListener("click", (event) => {
  const link = event.target.closest("a[data-ticket]");
  if (link && !event.ctrlKey && !event.metaKey) { event.preventDefault(); choose(link.dataset.ticket); }
});
// Whoever points at the phone, or types on it, has it in hand and reads.
for (const [event, is] of [["pointerenter", true], ["focusin", true], ["pointerdown", true], ["pointerleave", false], ["focusout", false]]) {
  by("phone").addEventListener(event, () => { isLookedAt = is; if (is) look(); });
}
