// What lies between the website and the phone: trouble to be made, and what went over the wire.

import { by, make, send } from "/words.js";

/** WhatsApp takes free text only within 24 hours after the manager's last message. */
const WINDOW_CLOSED = 63016;
/** There is no WhatsApp at this number. */
const NO_SUCH_PHONE = 63024;

const SWITCHES = [
  { label: "n8n is down", is: (trouble) => trouble.n8nDown, turn: { n8nDown: true },
    hint: "Tickets wait at the server, which tries again ever more rarely. Switch n8n on: an operator has one sent again, and the rest follows, each once." },
  { label: "n8n is silent", is: (trouble) => trouble.n8nSilent, turn: { n8nSilent: true },
    hint: "n8n takes every call and answers nothing. The server gives up after 15 seconds and tries again; what comes of it is shown once." },
  { label: "Twilio refuses", is: (trouble) => trouble.twilioRefuses, turn: { twilioRefuses: true },
    hint: "n8n answers 502 to every notification. The server keeps them and tries again." },
  { label: "Phone is off", is: (trouble) => trouble.phoneOff, turn: { phoneOff: true },
    hint: "WhatsApp keeps what is sent: one tick, for the customer too. Switch the phone on and it arrives." },
  { label: "Next ticket comes twice", is: (trouble) => trouble.ticketTwice, turn: { ticketTwice: true },
    hint: "n8n's answer to the next notification is lost, so the server sends it again, under the same id. The phone shows it once." },
  { label: "Next reply comes twice", is: (trouble) => trouble.replyTwice, turn: { replyTwice: true },
    hint: "Twilio and n8n hand the next reply on twice, at once. Write one: the customer reads it once." },
  { label: "Next ticket: 24 hours over", is: (trouble) => trouble.nextFails === WINDOW_CLOSED, turn: { nextFails: WINDOW_CLOSED },
    hint: "WhatsApp reports the next notification as failed: 63016, free text is no longer allowed. It comes as a template instead." },
  { label: "Next ticket: phone is gone", is: (trouble) => trouble.nextFails === NO_SUCH_PHONE, turn: { nextFails: NO_SUCH_PHONE },
    hint: "WhatsApp reports the next notification as failed. It goes to a second phone instead, which then shows up on the right." },
];
const CALM = { n8nDown: false, n8nSilent: false, twilioRefuses: false, phoneOff: false, ticketTwice: false, replyTwice: false, nextFails: null };
const HINT = "Everything works. Send the form, quote the ticket on the phone, and answer. Then write without a quote: you are asked back. "
  + "Then try a switch.";

let trouble = CALM;
const buttons = SWITCHES.map((one) => make("button", { type: "button", "aria-pressed": "false", onclick: () => press(one) }, one.label));
by("trouble").append(...buttons);

function press({ is, turn }) {
  const off = Object.fromEntries(Object.keys(turn).map((name) => [name, CALM[name]]));
  // At once: the next press may come before the board is looked at again.
  trouble = { ...trouble, ...(is(trouble) ? off : turn) };
  send("PUT", "/trouble", trouble);
}

/** The newest line that is shown. */
let newest = "";

/** The board changed. */
export function show(state) {
  trouble = state.trouble;
  SWITCHES.forEach((one, at) => buttons[at].setAttribute("aria-pressed", String(one.is(trouble))));
  const on = SWITCHES.filter((one) => one.is(trouble)).map(({ hint }) => hint).join(" ") || HINT;
  if (by("hint").textContent !== on) by("hint").textContent = on;
  by("n8n").classList.toggle("broken", trouble.n8nDown || trouble.n8nSilent);
  by("twilio").classList.toggle("broken", trouble.twilioRefuses);
  by("handset").classList.toggle("broken", trouble.phoneOff);
  const first = state.wire[0] ? state.wire[0].at + state.wire[0].path : "";
  if (first !== newest) by("wire").replaceChildren(...state.wire.map((one) => line(one, newest)));
  newest = first;
}

function line({ leg, method, path, status, note, at }) {
  const kind = status >= 200 && status < 300 ? "good" : status >= 500 || status === 0 ? "bad" : "odd";
  return make("li", {},
    make("span", { class: "leg" }, leg), make("time", { datetime: at }, at.slice(11, 23)),
    make("span", { class: "call" }, make("b", { class: kind }, String(status || "–")), ` ${method} `, make("code", {}, path), " ",
      make("span", { class: "note" }, note)));
}
