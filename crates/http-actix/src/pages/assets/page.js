// What makes the customers' pages pleasanter. Everything works without it.
"use strict";
(() => {
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Times in the reader's own zone; the whole of it in the title.
  const language = navigator.language.startsWith("en") ? navigator.language : "en-GB";
  const format = (options) => new Intl.DateTimeFormat(language, options);
  const hour = { hour: "numeric", minute: "2-digit" };
  const whole = format({ dateStyle: "full", timeStyle: "long" });
  const localise = (within) => {
    const now = new Date();
    for (const time of $$("time[datetime]", within)) {
      const at = new Date(time.dateTime.replace(/(\.\d{3})\d*Z$/, "$1Z"));
      if (isNaN(at)) continue;
      const short = format(at.toDateString() === now.toDateString() ? hour
        : at.getFullYear() === now.getFullYear() ? { day: "numeric", month: "short", ...hour }
        : { dateStyle: "medium", timeStyle: "short" });
      time.textContent = short.format(at);
      time.title = whole.format(at);
    }
  };

  // A form is sent once. Going back to it makes it ready again.
  const forms = $$("form[data-once]");
  for (const form of forms) {
    const button = form.querySelector("[data-busy]");
    const words = button.textContent;
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) return event.preventDefault();
      form.dataset.sent = "yes";
      button.setAttribute("aria-disabled", "true");
      button.textContent = button.dataset.busy;
    });
    addEventListener("pageshow", () => {
      delete form.dataset.sent;
      button.removeAttribute("aria-disabled");
      button.textContent = words;
    });
  }

  // How much room is left, once it gets narrow. Characters are counted as the server does.
  for (const area of $$("[data-max]")) {
    const max = Number(area.dataset.max);
    const word = document.createElement("p");
    word.className = "help";
    word.setAttribute("role", "status");
    area.after(word);
    const count = () => {
      const left = max - [...area.value.trim()].length;
      const text = left > max / 5 ? "" : left < 0 ? `${-left} characters too many` : `${left} characters left`;
      if (word.textContent !== text) word.textContent = text;
    };
    area.addEventListener("input", count);
    count();
  }

  for (const button of $$("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const { origin, pathname, search } = location;
      try {
        await navigator.clipboard.writeText(origin + pathname + search);
        say(button.dataset.copy);
        button.textContent = button.dataset.copy;
      } catch { /* The browser does not allow it; the address is above. */ }
    });
  }

  localise(document);

  // A thread opens at its end, unless the address or the browser leads elsewhere. After sending one writes on.
  addEventListener("load", () => {
    const end = document.getElementById("end");
    if (!end) return;
    const isShort = $$(".bubble").length < 2 || end.getBoundingClientRect().top < innerHeight;
    if (!location.hash && !scrollY && !isShort) end.scrollIntoView({ behavior: "instant" });
    if (location.hash === "#end") document.querySelector(".reply textarea")?.focus({ preventScroll: true });
  });

  // The ticket, live.
  const main = document.querySelector("[data-live]");
  const news = document.getElementById("news");
  function say(words) {
    if (!news) return;
    news.textContent = "";
    setTimeout(() => { news.textContent = words; }, 50);
  }
  if (!main) return;

  // What was written anew stays where it is; of a list, only the entries that changed are exchanged.
  const swap = (old, fresh) => {
    if (old.outerHTML === fresh.outerHTML) return [];
    if (!old.matches("ol.thread")) {
      old.replaceWith(document.importNode(fresh, true));
      return [];
    }
    const come = [];
    let before = null;
    const known = new Set([...fresh.children].map((entry) => entry.id));
    for (const entry of [...old.children]) if (!known.has(entry.id)) entry.remove();
    for (const entry of fresh.children) {
      let here = document.getElementById(entry.id);
      if (!here) {
        here = document.importNode(entry, true);
        here.classList.add("new");
        come.push(here);
        if (before) before.after(here); else old.prepend(here);
      }
      before = here;
    }
    return come;
  };

  const apply = (fresh) => {
    localise(fresh);
    const active = document.activeElement;
    const held = active && active.closest("form") ? active : null;
    const top = held && held.getBoundingClientRect().top;
    const end = document.getElementById("end").getBoundingClientRect().top;
    const saw = end >= 0 && end <= innerHeight;
    const come = $$("[data-part]", fresh).flatMap((part) => {
      const old = document.querySelector(`[data-part="${part.dataset.part}"]`);
      return old ? swap(old, part) : [];
    });
    const theirs = come.filter((entry) => !entry.classList.contains("own"));
    if (held) scrollBy({ top: held.getBoundingClientRect().top - top, behavior: "instant" });
    else if (saw && come.length) come.at(-1).scrollIntoView({ block: "nearest" });
    if (theirs.length) {
      const name = theirs.at(-1).querySelector("b").textContent;
      say(`New message from ${name === "Manager" ? "the manager" : name}`);
    }
  };

  // A connection may die without a word: then it is given up.
  const get = (url, headers, stop = new AbortController()) => {
    setTimeout(() => stop.abort(), 20_000);
    return fetch(url, { headers, cache: "no-store", signal: stop.signal });
  };
  let reading = null;
  let again = false;
  const refresh = async () => {
    again = !!reading;
    if (again) return;
    reading = new AbortController();
    try {
      const answer = await get(location.href.split("#")[0], { accept: "text/html" }, reading);
      if (answer.ok) apply(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* The next news, or the next poll, brings it. */ }
    reading = null;
    if (again) refresh();
  };

  // By events where they come; else by asking, less and less often.
  const FIRST = 10_000;
  const LAST = 60_000;
  let stream = null;
  let timer = 0;
  let wait = FIRST;
  let tag = "";
  const stopAsking = () => { clearTimeout(timer); timer = 0; wait = FIRST; };
  const askLater = () => {
    if (timer || document.hidden) return;
    timer = setTimeout(ask, wait * (0.8 + Math.random() * 0.4));
  };
  const ask = async () => {
    timer = 0;
    try {
      const answer = await get(main.dataset.poll, tag ? { "if-none-match": tag } : {});
      if (answer.status === 200) {
        tag = answer.headers.get("etag") || "";
        await refresh();
      }
      wait = answer.ok || answer.status === 304 ? FIRST : Math.min(wait * 2, LAST);
    } catch {
      wait = Math.min(wait * 2, LAST);
    }
    if (!stream || stream.readyState !== EventSource.OPEN) {
      askLater();
      listen();
    }
  };
  const listen = () => {
    if (document.hidden || !window.EventSource || (stream && stream.readyState !== EventSource.CLOSED)) return;
    const url = new URL(main.dataset.live, location.href);
    stream = new EventSource(url);
    stream.onopen = () => {
      // What came between two streams was not heard.
      if (timer) refresh();
      stopAsking();
    };
    stream.onerror = askLater;
    for (const kind of ["ticket", "message"]) stream.addEventListener(kind, refresh);
  };
  const begin = () => { listen(); if (!window.EventSource) askLater(); };
  begin();
  // Browsers allow few connections a site, so a page that nobody sees listens to nothing. And a phone that slept may
  // hold a stream that died without a word, so whoever comes back asks and listens anew.
  const rest = () => {
    stream?.close();
    stopAsking();
    again = false;
    reading?.abort();
  };
  const wake = () => {
    rest();
    if (document.hidden) return;
    refresh();
    begin();
  };
  addEventListener("visibilitychange", wake);
  addEventListener("pagehide", rest);
  addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
  addEventListener("online", wake);
})();
