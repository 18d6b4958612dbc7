// A button and the form, for any page of a site that ALLOWED_ORIGINS names. It keeps nothing in the browser, unless the
// visitor wants it to remember their requests.
//   <script src="https://desk.example.com/widget.js" defer data-label="Help" data-title="How can we help?"
//     data-side="right" data-accent="#0b6e5a"></script>
(() => {
  "use strict";
  const MARK = "data-support-desk";
  const script = document.currentScript
    || [...document.scripts].find((one) => /\/widget\.js(?:[?#]|$)/.test(one.src) && !one.hasAttribute(MARK));
  if (!script || !script.src) return;
  script.setAttribute(MARK, "");
  const { label = "Help", title = "How can we help?", side, accent = "" } = script.dataset;
  // What the desk can do; it writes this line itself.
  const DESK = {};
  const at = (path) => new URL(path, script.src).href;

  const STYLE = `
:host { all: initial; }
* { box-sizing: border-box; }
.root { --paper: #fff; --ink: #1d1f23; --muted: #5d636e; --line: #878c95; --accent: #0b6e5a; --on: #fff;
  --danger: #a8261c; --soft: #fcebe9; color-scheme: light dark; color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif; }
@media (prefers-color-scheme: dark) { .root { --paper: #1c1f25; --ink: #ececea; --muted: #a2a8b3; --line: #737a86;
  --accent: #58c9a9; --on: #06231b; --danger: #ff9d92; --soft: #3a1d1a; } }
button { font: inherit; font-weight: 600; min-height: 44px; padding: 8px 20px; border: 0; border-radius: 12px; cursor: pointer;
  background: var(--accent); color: var(--on); touch-action: manipulation; }
button[aria-disabled=true] { opacity: .6; cursor: progress; }
:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }
.open { position: fixed; z-index: 2147483000; inset-block-end: max(20px, env(safe-area-inset-bottom)); right: 20px;
  border-radius: 99px; min-height: 52px; padding: 8px 24px; box-shadow: 0 2px 6px rgb(0 0 0 / .2), 0 8px 24px rgb(0 0 0 / .16); }
.open.news::after { content: ""; position: absolute; inset-block-start: -2px; right: -2px; width: 16px; height: 16px;
  border: 2px solid #fff; border-radius: 50%; background: #d7263d; }
.left .open { right: auto; left: 20px; }
dialog { width: min(460px, 100% - 24px); max-height: calc(100% - 24px); margin: auto; padding: 0; border: 0; border-radius: 18px;
  background: var(--paper); color: var(--ink); box-shadow: 0 24px 64px rgb(0 0 0 / .3); overflow: auto; overscroll-behavior: contain; }
dialog::backdrop { background: rgb(10 12 16 / .5); }
@media (min-width: 600px) { dialog { margin: auto 20px 20px auto; } .left dialog { margin: auto auto 20px 20px; } }
dialog:has(.thread:not([hidden])) { height: min(680px, 100% - 24px); }
dialog[open]:has(.thread:not([hidden])) { display: flex; flex-direction: column; overflow: hidden; }
header { display: flex; align-items: center; justify-content: space-between; gap: 12px; padding: 20px 12px 0 24px; }
h2 { margin: 0; font-size: 22px; line-height: 1.25; letter-spacing: -.02em; overflow-wrap: anywhere; outline: none; }
.close { background: transparent; color: var(--muted); padding: 8px 12px; font-weight: 400; }
.plain { background: transparent; color: inherit; border: 1px solid var(--line); }
.row { display: flex; flex-wrap: wrap; gap: 8px; }
.row > * { flex: 1 1 auto; text-align: center; }
a.plain { min-height: 44px; padding: 9px 20px; border-radius: 12px; font-weight: 600; text-decoration: none; }
.list ul { display: grid; gap: 8px; margin: 0; padding: 0; list-style: none; }
.list li button { display: grid; gap: 2px; width: 100%; padding: 12px 16px; text-align: start; overflow-wrap: anywhere; }
.list .new .help { color: inherit; font-weight: 600; }
.list .new .help::before { content: ""; display: inline-block; width: 10px; height: 10px; margin-inline-end: 6px;
  border-radius: 50%; background: #d7263d; }
.thread { flex: 1; display: flex; flex-direction: column; min-height: 0; padding: 8px 0 0; }
iframe { flex: 1; width: 100%; min-height: 0; border: 0; }
.thread .row { padding: 8px 16px; border-block-end: 1px solid var(--line); }
.check { display: flex; gap: 10px; align-items: start; font-weight: 400; }
.check input { flex: none; width: 22px; min-height: 22px; margin: 1px 0 0; accent-color: var(--accent); }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
form, .done, .list { display: grid; gap: 16px; padding: 16px 24px 24px; }
.pair { display: grid; gap: 16px; }
@media (min-width: 420px) { .pair { grid-template-columns: 1fr 1fr; } }
label { display: block; font-weight: 600; }
input, textarea, select { display: block; width: 100%; min-height: 44px; margin-block-start: 6px; padding: 9px 12px; font: inherit;
  color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 10px; }
textarea { min-height: 110px; resize: vertical; }
[aria-invalid=true] { border-color: var(--danger); box-shadow: inset 0 0 0 1px var(--danger); }
p { margin: 0; overflow-wrap: anywhere; }
.help { color: var(--muted); font-size: 14px; font-weight: 400; }
.fault { margin-block-start: 6px; color: var(--danger); font-size: 14px; font-weight: 600; }
.word { padding: 12px 16px; border-radius: 10px; background: var(--soft); }
.done p a, .word a { color: inherit; font-weight: 600; }
.trap { position: absolute; inset-inline-start: -200vw; width: 1px; overflow: hidden; }
[hidden] { display: none !important; }`;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // The accent may be any colour; what stands on it is black or white, whichever reads better.
  const paint = (root) => {
    const hex = /^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.test(accent.trim()) && accent.trim().slice(1);
    if (!hex) return;
    const pairs = hex.length === 3 ? [...hex].map((digit) => digit + digit) : hex.match(/../g);
    const [red, green, blue] = pairs.map((pair) => {
      const part = parseInt(pair, 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    root.style.setProperty("--accent", `#${hex}`);
    root.style.setProperty("--on", light > 0.179 ? "#000" : "#fff");
  };

  const FIELDS = [
    ["subject", "Subject", "input", { type: "text", autocomplete: "off" }],
    ["message", "Message", "textarea", { rows: "4" }],
    ["priority", "How urgent is it?", "select", {}],
    ["customerName", "Name", "input", { type: "text", autocomplete: "name" }],
    ["customerPhone", "Phone", "input", { type: "tel", autocomplete: "tel" }, "With country code"],
    ["customerEmail", "E\u2011mail", "input", { type: "email", autocomplete: "email" }],
    // People don't see it. Programs that fill in whatever they find do.
    ["website", "Leave this empty", "input", { type: "text", autocomplete: "off", tabindex: "-1" }],
  ];
  const controls = new Map();
  const field = ([name, text, tag, attributes, help]) => {
    const control = make(tag, { id: name, name, dir: "auto", ...attributes });
    if (tag === "select") {
      for (const word of ["Low", "Medium", "High", "Urgent"]) control.append(new Option(word, word.toLowerCase()));
      control.value = "medium";
    } else {
      control.setAttribute("aria-required", "true");
    }
    const fault = make("p", { class: "fault", id: `${name}-fault`, hidden: "" });
    const caption = make("label", { for: name }, text);
    if (help) caption.append(" ", make("span", { class: "help" }, help));
    controls.set(name, { control, fault, text });
    return make("div", {}, caption, control, fault);
  };
  const tell = (name, words) => {
    const { control, fault } = controls.get(name);
    fault.textContent = words;
    fault.hidden = !words;
    if (words) {
      control.setAttribute("aria-invalid", "true");
      control.setAttribute("aria-describedby", fault.id);
    } else {
      control.removeAttribute("aria-invalid");
      control.removeAttribute("aria-describedby");
    }
  };

  // The same words, sent again, are the same ticket.
  let sent = "";
  let key = "";
  const keyOf = (body) => {
    if (body !== sent) {
      sent = body;
      key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    }
    return key;
  };

  const ask = async (body) => {
    const headers = { "content-type": "application/json", "idempotency-key": keyOf(body) };
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), 20_000);
    try {
      const answer = await fetch(at("api/ticket"), {
        method: "POST", headers, body, credentials: "omit", referrerPolicy: "origin", signal: stop.signal,
      });
      return { status: answer.status, wait: answer.headers.get("retry-after"), said: await answer.json() };
    } catch {
      return { status: 0, wait: null, said: {} };
    } finally {
      clearTimeout(timer);
    }
  };

  // The visitor's requests, newest first: { url, isKept, seen }, `seen` being how many answers they know. Those that are
  // kept are in the site's storage too; what else is known of a request is read anew by each page.
  const STORED = `support-desk ${at(".")}`;
  const MOST = 5;
  const isTicket = (one) => /^https?:/.test(one?.url) && Number.isInteger(one.seen);
  let tickets = [];
  try {
    const stored = JSON.parse(localStorage.getItem(STORED));
    if (Array.isArray(stored)) tickets = stored.filter(isTicket).map(({ url, seen }) => ({ url, seen, isKept: true }));
  } catch { /* Then it remembers nothing. */ }
  const keep = () => {
    try {
      const kept = tickets.filter(({ isKept }) => isKept).map(({ url, seen }) => ({ url, seen }));
      if (kept.length) localStorage.setItem(STORED, JSON.stringify(kept)); else localStorage.removeItem(STORED);
    } catch { /* It remembers until the page is left. */ }
  };
  const read = async (ticket) => {
    const { pathname, search } = new URL(ticket.url);
    const url = at(`api/ticket/${pathname.split("/").pop()}${search}`);
    const headers = ticket.tag ? { "if-none-match": ticket.tag } : {};
    try {
      const answer = await fetch(url, { headers, credentials: "omit", referrerPolicy: "origin", cache: "no-store" });
      if (answer.status === 404) tickets = tickets.filter((one) => one !== ticket);
      if (!answer.ok) return;
      const { ticket: { subject, status }, messages } = await answer.json();
      const answers = messages.filter(({ sender }) => sender !== "customer").length;
      const isAnswered = answers > 0 && messages.at(-1).sender !== "customer";
      Object.assign(ticket, { subject, status, answers, isAnswered, tag: answer.headers.get("etag") });
    } catch { /* The next time. */ }
  };
  const hasNews = ({ answers, seen }) => answers > seen;

  const build = () => {
    if (document.querySelector(`div[${MARK}="${CSS.escape(at("."))}"]`)) return;
    const host = make("div", { [MARK]: at(".") });
    const shadow = host.attachShadow({ mode: "closed" });
    try {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      shadow.adoptedStyleSheets = [sheet];
    } catch {
      shadow.append(make("style", {}, STYLE));
    }
    const root = make("div", { class: side === "left" ? "root left" : "root", lang: "en" });
    paint(root);
    const open = make("button", { class: "open", type: "button", "aria-haspopup": "dialog" }, label);
    const news = make("span", { class: "sr" });
    open.append(news);
    const close = make("button", { class: "close", type: "button" }, "Close");
    const heading = make("h2", { id: "title", tabindex: "-1" }, title);
    const word = make("p", { class: "word", role: "alert", hidden: "" });
    const send = make("button", { type: "submit" }, "Send");
    const [subject, message, priority, name, phone, mail, trap] = FIELDS.map(field);
    controls.get("website").control.removeAttribute("aria-required");
    trap.className = "trap";
    const memory = make("input", { type: "checkbox", id: "memory" });
    memory.checked = tickets.length > 0;
    const check = make("label", { class: "check" }, memory, make("span", {}, "Remember me on this device ",
      make("span", { class: "help" }, "Your request and our answer open here. Not for shared computers.")));
    const form = make("form", { novalidate: "" }, word, subject, message, priority, name,
      make("div", { class: "pair" }, phone, mail), trap, check, send);
    const done = make("div", { class: "done", role: "status" });
    const list = make("div", { class: "list" });
    const thread = make("div", { class: "thread" });
    const views = [form, done, list, thread];
    const dialog = make("dialog", { "aria-labelledby": "title" }, make("header", {}, heading, close), ...views);
    root.append(open, dialog);
    shadow.append(root);
    document.body.append(host);

    const show = (view, words) => {
      for (const one of views) one.hidden = one !== view;
      if (view !== thread) thread.replaceChildren();
      heading.textContent = words;
    };
    const button = (words, act, kind = "plain") => {
      const made = make("button", { type: "button", class: kind }, words);
      made.addEventListener("click", act);
      return made;
    };
    // A link beside the buttons, to another window.
    const way = (words, href) => make("a", { class: "plain", href, target: "_blank", rel: "noopener noreferrer" }, words);
    const showForm = () => {
      show(form, title);
      controls.get("subject").control.focus();
    };
    const showList = () => {
      const entry = (ticket) => {
        const state = hasNews(ticket) ? "New answer" : ticket.status !== "open" ? "Resolved"
          : ticket.isAnswered ? "Answered" : "Waiting for an answer";
        const made = button("", () => showThread(ticket), hasNews(ticket) ? "plain new" : "plain");
        made.append(make("span", { dir: "auto" }, ticket.subject || "Your request"),
          make("span", { class: "help" }, ticket.status ? state : ""));
        return make("li", {}, made);
      };
      const forget = button("Forget these", () => {
        tickets = [];
        keep();
        memory.checked = false;
        showNews();
        showForm();
      });
      list.replaceChildren(make("ul", {}, ...tickets.map(entry)), make("div", { class: "row" },
        button("New request", showForm, ""), forget));
      show(list, "Your requests");
      heading.focus();
    };
    // The ticket's own page, in place.
    const showThread = (ticket) => {
      const frame = make("iframe", { title: "Your request", src: `${ticket.url}&embed` });
      show(thread, "Your request");
      thread.replaceChildren(make("div", { class: "row" }, button("Back", leave), way("Open in a new tab", ticket.url)), frame);
      thread.ticket = ticket;
      frame.addEventListener("load", () => frame.focus());
      know(ticket);
    };
    const know = (ticket) => {
      ticket.seen = Math.max(ticket.seen, ticket.answers || 0);
      keep();
      showNews();
    };
    const leave = async () => {
      const { ticket } = thread;
      showList();
      await read(ticket);
      know(ticket);
      if (!list.hidden) showList();
    };
    const showNews = () => {
      const isNews = tickets.some(hasNews);
      open.classList.toggle("news", isNews);
      news.textContent = isNews ? ", new answer" : "";
    };
    const look = async () => {
      if (document.hidden || !tickets.length) return;
      await Promise.all(tickets.map(read));
      if (!thread.hidden) know(thread.ticket);
      keep();
      showNews();
    };
    show(form, title);
    look();
    setInterval(look, 60_000);
    addEventListener("visibilitychange", look);

    open.addEventListener("click", () => {
      if (!dialog.showModal) return void window.open(at("."), "_blank", "noopener");
      dialog.showModal();
      if (tickets.length) showList(); else showForm();
    });
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      if (!thread.hidden) leave();
      show(form, title);
      open.focus();
    });

    const say = (...words) => {
      word.replaceChildren(...words);
      word.hidden = !words.length;
      // It stands above the form, and who sends is below.
      word.scrollIntoView({ block: "nearest" });
    };
    const thank = ({ ticketRef, ticketUrl }) => {
      const isKept = memory.checked;
      form.reset();
      memory.checked = isKept;
      controls.get("priority").control.value = "medium";
      sent = "";
      const reference = make("p", {}, "We’ve got your request. Its reference is ", make("strong", {}, String(ticketRef)), ".");
      done.replaceChildren(reference);
      show(done, "Thank you");
      heading.focus();
      if (!/^https?:/.test(ticketUrl)) return;
      const ticket = { url: ticketUrl, seen: 0, isKept };
      tickets = [ticket, ...tickets].slice(0, MOST);
      keep();
      read(ticket);
      const ways = make("div", { class: "row" }, way("Open in a new tab", ticketUrl));
      if (navigator.clipboard) {
        const copy = button("Copy link", async () => {
          try {
            await navigator.clipboard.writeText(ticketUrl);
            copy.textContent = "Copied";
          } catch { /* The link beside it can be copied by hand. */ }
        });
        ways.prepend(copy);
      }
      if (DESK.mail) ways.append(way("E\u2011mail me the link", at("find")));
      if (DESK.whatsapp) ways.append(way("Send photos on WhatsApp", DESK.whatsapp.replace("{ref}", ticketRef)));
      done.append(button("Open your request", () => showThread(ticket), ""), ways, make("p", { class: "help" },
        ticket.isKept ? "You’ll find it again here, on this device." : "Save the link. You’ll need it to see our answer."));
    };
    const refuse = ({ status, wait, said }) => {
      const errors = Array.isArray(said.errors) ? said.errors : [];
      const known = errors.filter(({ field }) => controls.has(field));
      for (const { field, code, message } of known) {
        const { text } = controls.get(field);
        tell(field, code === "required" ? "Please fill this in." : `${text} ${message}.`);
      }
      const first = [...controls.values()].find(({ fault }) => !fault.hidden);
      if (first) return first.control.focus();
      if (status === 429) say(`Too many messages from your network. Please try again in ${Number(wait) || 60} seconds.`);
      // A site that is not allowed is never let through, and the browser does not say that this is why.
      else say("We couldn’t send this. Nothing is lost. Please try again, or ",
        make("a", { href: at("."), target: "_blank", rel: "noopener" }, "contact us on our own page"), ".");
    };
    const release = () => {
      send.removeAttribute("aria-disabled");
      send.textContent = "Send";
    };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (send.getAttribute("aria-disabled")) return;
      send.setAttribute("aria-disabled", "true");
      send.textContent = "Sending…";
      say();
      for (const name of controls.keys()) tell(name, "");
      if (controls.get("website").control.value) {
        trap.className = "";
        tell("website", "Please empty this field: it helps us stop spam. Then send again.");
        controls.get("website").control.focus();
        return release();
      }
      const values = [...controls].map(([name, { control }]) => [name, control.value]);
      const answer = await ask(JSON.stringify(Object.fromEntries(values)));
      release();
      if (answer.status === 201) thank(answer.said); else refuse(answer);
    });
  };
  if (document.body) build(); else addEventListener("DOMContentLoaded", build);
})();
