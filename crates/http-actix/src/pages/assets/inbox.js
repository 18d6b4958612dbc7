// What makes the inbox quicker. Everything works without it.
"use strict";
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const inbox = $("[data-events]");

  // Times in the reader's own zone; ages in the same words as the server's.
  const language = navigator.language.startsWith("en") ? navigator.language : "en-GB";
  const format = (options) => new Intl.DateTimeFormat(language, options);
  const short = format({ day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
  const year = format({ dateStyle: "medium", timeStyle: "short" });
  const day = format({ dateStyle: "medium" });
  const whole = format({ dateStyle: "full", timeStyle: "long" });
  const age = (at, now, isSpan) => {
    const minutes = Math.floor((now - at) / 60_000);
    if (minutes < 1) return isSpan ? "less than a minute" : "now";
    if (minutes < 60) return `${minutes} min`;
    if (minutes < 1440) return `${Math.floor(minutes / 60)} h`;
    const days = Math.floor(minutes / 1440);
    return days === 1 ? "1 day" : isSpan || days < 31 ? `${days} days` : day.format(at);
  };
  const localise = (within) => {
    const now = new Date();
    for (const time of $$("time[datetime]", within)) {
      const at = new Date(time.dateTime.replace(/(\.\d{3})\d*Z$/, "$1Z"));
      if (isNaN(at)) continue;
      const words = "age" in time.dataset ? age(at, now, time.dataset.age === "span") : (at.getFullYear() === now.getFullYear() ? short : year).format(at);
      if (time.textContent !== words) time.textContent = words;
      time.title = whole.format(at);
    }
  };
  localise(document);
  setInterval(() => localise(document), 30_000);
  if (!inbox) return;

  const says = $("#says");
  const say = (words) => {
    says.textContent = "";
    setTimeout(() => { says.textContent = words; }, 50);
  };

  // The ticket that is open is in sight in the list, and so is its newest message.
  $(".row-link[aria-current]")?.scrollIntoView({ block: "nearest", behavior: "instant" });
  if (["", "#message"].includes(location.hash)) $(".bubble:last-child")?.scrollIntoView({ block: "nearest", behavior: "instant" });
  // Whoever has just answered may write on.
  if (location.hash === "#message") $("#message")?.focus({ preventScroll: true });

  // What was done is said once: the address forgets it.
  const address = new URL(location);
  for (const word of ["done", "count", ...(address.searchParams.has("done") ? ["ticket"] : [])]) address.searchParams.delete(word);
  if (address.href !== location.href) history.replaceState(null, "", address);

  // The parts of a page that came anew take the place of the old ones. A part in which somebody writes is left alone,
  // and focus, open details and how far things are scrolled stay.
  const isField = (element) => element && element.matches("input, textarea, select");
  const isTouched = (part) => (part.contains(document.activeElement) && isField(document.activeElement))
    || $$("input:not([type=hidden]), textarea", part).some((field) => field.value !== field.defaultValue);
  const nameOf = (element) => {
    const form = element.closest("form");
    return JSON.stringify([element.tagName, element.dataset.ticket || element.getAttribute("href"),
      element.name, element.value, form && form.getAttribute("action")]);
  };
  const swap = (old, part) => {
    if (old.innerHTML === part.innerHTML || isTouched(old)) return false;
    const active = old.contains(document.activeElement) ? nameOf(document.activeElement) : "";
    const open = $$("details[open]", old).map((details) => details.id);
    const fresh = document.importNode(part, true);
    for (const details of $$("details", fresh)) details.open ||= open.includes(details.id);
    old.replaceWith(fresh);
    if (active) $$("a, button, summary", fresh).find((element) => nameOf(element) === active)?.focus({ preventScroll: true });
    return true;
  };
  // What needs attention, but for how long it has: that changes by itself.
  const attention = () => {
    const line = $(".attention")?.cloneNode(true);
    for (const time of line ? $$("time", line) : []) time.remove();
    return line?.textContent;
  };
  const apply = (page, only) => {
    localise(page);
    const known = new Set($$(".bubble").map((bubble) => bubble.id));
    const line = attention();
    for (const part of $$("[data-part]", page)) {
      const name = part.dataset.part;
      if (part.parentElement.closest("[data-part]") || (only && name !== only)) continue;
      const old = $(`[data-part="${name}"]`);
      if (old) swap(old, part);
    }
    if (only) return;
    const come = $$(".bubble").filter((bubble) => !known.has(bubble.id));
    if (come.length) say(`New message from ${$(".who", come.at(-1)).textContent}`);
    else if (attention() !== line) say($(".attention").textContent);
  };

  let asking = null;
  const ask = async (url, only) => {
    asking?.abort();
    const mine = asking = new AbortController();
    try {
      const answer = await fetch(url, { headers: { accept: "text/html" }, cache: "no-store", signal: mine.signal });
      // The session is over. What somebody is writing is not thrown away for that.
      if (answer.status === 401 && !isTouched(document.body)) location.reload();
      if (!answer.ok) return;
      const text = await answer.text();
      if (asking === mine) apply(new DOMParser().parseFromString(text, "text/html"), only);
    } catch { /* It was cut short by another, or the next news brings it. */ } finally {
      if (asking === mine) asking = null;
    }
  };
  const here = () => location.href.split("#")[0];

  // Live: whatever changed, the page asks for itself again, at most once a second.
  let due = 0;
  let last = Date.now();
  const refresh = () => {
    if (due) return;
    due = setTimeout(() => {
      due = 0;
      if (asking || timer) return refresh();
      last = Date.now();
      ask(here());
    }, Math.max(100, last + 1_000 - Date.now()));
  };
  let stream = null;
  const listen = () => {
    if (document.hidden || !window.EventSource || (stream && stream.readyState !== EventSource.CLOSED)) return;
    stream = new EventSource(inbox.dataset.events);
    stream.addEventListener("changed", refresh);
    // What came between the page and the stream was not heard.
    stream.onopen = refresh;
  };
  setInterval(listen, 10_000);
  // What waits too long is no news that anybody tells, and a stream may not come through: then the page asks by itself.
  setInterval(() => {
    const isLive = stream !== null && stream.readyState === EventSource.OPEN;
    if (!document.hidden && (!isLive || Date.now() - last > 35_000)) refresh();
  }, 20_000);
  // Browsers allow few connections a site, so a page that nobody sees listens to nothing.
  addEventListener("visibilitychange", () => {
    if (document.hidden) return stream?.close();
    refresh();
    listen();
  });

  // Search as one types. The address follows, so that a ticket that is opened keeps it.
  const search = $("form.search");
  let timer = 0;
  const find = async () => {
    timer = 0;
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(search)) {
      if (value.trim() && !(name === "status" && value === "open")) query.set(name, value.trim());
    }
    if (new URLSearchParams(location.search).has("all")) query.set("all", "");
    const url = new URL(location.pathname, location.href);
    url.search = query;
    history.replaceState(null, "", url);
    // What is cut short now is made up for later.
    if (asking) refresh();
    await ask(url, "list");
    if (here() !== url.href) return;
    const count = $$(".row-link").length;
    say(count === 0 ? "No ticket found" : count === 1 ? "1 ticket found" : `${count} tickets found`);
  };
  search?.addEventListener("input", (event) => {
    if (event.target.name !== "q") return;
    clearTimeout(timer);
    timer = setTimeout(find, 150);
  });

  // An answer is sent once. Going back to the page makes the form ready again.
  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => { for (const form of $$("[data-sent]")) delete form.dataset.sent; });

  // Keys.
  const keys = $("#keys");
  const showKeys = () => { if (keys && !keys.open) keys.showModal(); };
  for (const element of $$("[data-keys], [data-keys-hint]")) element.hidden = false;
  $("[data-keys]")?.addEventListener("click", showKeys);
  const step = (by) => {
    const rows = $$(".row-link").filter((row) => row.offsetParent);
    const now = rows.indexOf(document.activeElement.closest?.(".row-link"));
    const from = now >= 0 ? now : rows.findIndex((row) => row.hasAttribute("aria-current"));
    const row = rows[from < 0 ? 0 : Math.min(Math.max(from + by, 0), rows.length - 1)];
    row?.focus();
    row?.scrollIntoView({ block: "nearest" });
  };
  const acts = {
    j: () => step(1),
    k: () => step(-1),
    r: () => $("#message")?.focus(),
    e: () => $('[name="status"][value="resolved"]:not(option)')?.click(),
    "/": () => { $("#q")?.focus(); $("#q")?.select(); },
    "?": showKeys,
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    const target = event.target;
    if (event.key === "Escape" && target.id === "q" && target.value) {
      event.preventDefault();
      target.value = "";
      clearTimeout(timer);
      return find();
    }
    if (event.key === "Escape" && isField(target)) return target.blur();
    if (isField(target) || target.isContentEditable || keys?.open || event.repeat && event.key === "e") return;
    if (!Object.hasOwn(acts, event.key)) return;
    event.preventDefault();
    acts[event.key]();
  });

  listen();
})();
