// What makes the customers' pages pleasanter. Everything works without it.
"use strict";
(() => {
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

  // What a browser remembers; nothing, where it does not want to.
  const remembered = (name, area = "sessionStorage") => {
    try { return JSON.parse(window[area].getItem(name)); } catch { return null; }
  };
  const remember = (name, value, area = "sessionStorage") => {
    try {
      if (value === null) window[area].removeItem(name);
      else window[area].setItem(name, JSON.stringify(value));
    } catch { /* It does without. */ }
  };

  // Times in the reader's own zone and language; the whole of it in the title.
  const format = (options) => new Intl.DateTimeFormat([...navigator.languages], options);
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
      time.lang = short.resolvedOptions().locale;
    }
  };

  const main = document.querySelector("[data-live]");
  // The reply is sent without leaving the page; see below. After a fault it is sent as any form.
  const reply = !document.getElementById("faults") && main?.querySelector("form.reply");

  // A form is sent once. Going back to it makes it ready again.
  const forms = $$("form[data-once]").filter((form) => form !== reply);
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
  const aloud = document.getElementById("news");
  function say(words) {
    if (!aloud) return;
    aloud.textContent = "";
    setTimeout(() => { aloud.textContent = words; }, 50);
  }
  if (!main) return;

  // A sound for answers, if the reader wants one: two soft tones.
  const sound = document.querySelector("[data-sound]");
  let audio = null;
  const ring = () => {
    if (sound?.getAttribute("aria-pressed") !== "true") return;
    audio ??= new AudioContext();
    [[660, 0], [880, 0.14]].forEach(([pitch, after]) => {
      const [tone, volume, at] = [audio.createOscillator(), audio.createGain(), audio.currentTime + after];
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.12, at);
      volume.gain.exponentialRampToValueAtTime(0.001, at + 0.4);
      tone.connect(volume).connect(audio.destination);
      tone.start(at);
      tone.stop(at + 0.4);
    });
  };
  if (sound && window.AudioContext) {
    sound.hidden = false;
    sound.setAttribute("aria-pressed", String(remembered("sound", "localStorage") === true));
    sound.addEventListener("click", () => {
      const wanted = sound.getAttribute("aria-pressed") !== "true";
      sound.setAttribute("aria-pressed", String(wanted));
      remember("sound", wanted || null, "localStorage");
      ring();
    });
  }

  // The answers that the visitor has not seen stand in the tab's title, and as a dot on its icon. An answer is seen once it
  // is within a window that has the focus. What was there when the page opened is no news.
  const icon = document.querySelector("link[rel=icon]");
  const [title, plain] = [document.title, icon.href];
  const dotted = plain.replace("%3C/svg%3E", "%3Ccircle cx='24' cy='8' r='8' fill='%23d7263d'/%3E%3C/svg%3E");
  const answers = () => $$(".thread .bubble:not(.own)");
  let known = answers().at(-1)?.id;
  let shown = "";
  const seen = (answer) => {
    shown = known = answer.id;
    // What was seen is not mailed. Should this get lost, one mail too many comes.
    if (main.dataset.seen) request(main.dataset.seen, { method: "POST", body: new URLSearchParams({ message: answer.id.slice(2) }) }).catch(() => {});
  };
  const look = () => {
    const all = answers();
    const newest = all.at(-1);
    if (newest && newest.id !== shown && document.visibilityState === "visible" && document.hasFocus()) {
      const { top, bottom } = newest.getBoundingClientRect();
      if (top < innerHeight && bottom > 0) seen(newest);
    }
    const unseen = all.length - 1 - all.findIndex(({ id }) => id === known);
    document.title = unseen ? `(${unseen}) ${title}` : title;
    const wanted = unseen ? dotted : plain;
    if (icon.href !== wanted) icon.href = wanted;
  };
  for (const event of ["focus", "scroll", "resize", "load"]) addEventListener(event, look, { passive: true });

  // Of a list, only the entries that changed are exchanged.
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
      here?.classList.remove("new");
      if (here?.outerHTML !== entry.outerHTML) {
        const next = document.importNode(entry, true);
        if (here) {
          here.replaceWith(next);
        } else {
          next.classList.add("new");
          come.push(next);
          if (before) before.after(next); else old.prepend(next);
        }
        here = next;
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
      ring();
    }
    look();
  };

  // A connection may die without a word: then it is given up.
  const request = (url, options, stop = new AbortController()) => {
    setTimeout(() => stop.abort(), 20_000);
    return fetch(url, { cache: "no-store", signal: stop.signal, ...options });
  };
  const parse = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");
  let reading = null;
  let again = false;
  const refresh = async () => {
    again = !!reading;
    if (again) return;
    reading = new AbortController();
    try {
      const answer = await request(location.href.split("#")[0], { headers: { accept: "text/html" } }, reading);
      if (answer.ok) apply(await parse(answer));
    } catch { /* The next news, or the next poll, brings it. */ }
    reading = null;
    if (again) refresh();
  };

  // What is being written outlives a reload. It is sent once, however often the connection breaks: the token of the form
  // says which message it is.
  if (reply) {
    const [area, token, button] = [reply.elements.message, reply.elements.idempotencyKey, reply.querySelector("[data-busy]")];
    const draft = `draft of ${location.pathname}`;
    const words = button.textContent;
    const line = document.createElement("p");
    line.className = "notice warn";
    line.setAttribute("role", "status");
    line.hidden = true;
    button.parentElement.before(line);
    let busy = false;
    let retry = 0;
    let pause = 2_000;
    const keep = (isSent) => remember(draft, area.value ? { text: area.value, token: token.value, isSent } : null);
    const send = async () => {
      if (busy) return;
      clearTimeout(retry);
      busy = area.readOnly = true;
      button.setAttribute("aria-disabled", "true");
      button.textContent = button.dataset.busy;
      keep(true);
      try {
        const answer = await request(reply.action, { method: "POST", body: new URLSearchParams(new FormData(reply)) });
        if (answer.status >= 500) throw answer;
        const fresh = answer.ok && await parse(answer);
        const next = fresh && fresh.querySelector("form.reply");
        remember(draft, null);
        area.readOnly = busy = false;
        // The page that comes says what is wrong.
        if (!next) return HTMLFormElement.prototype.submit.call(reply);
        token.value = next.elements.idempotencyKey.value;
        area.value = "";
        area.dispatchEvent(new Event("input"));
        line.hidden = true;
        pause = 2_000;
        button.textContent = words;
        apply(fresh);
        history.replaceState(history.state, "", "#end");
        document.getElementById("end").scrollIntoView({ behavior: "instant" });
        area.focus({ preventScroll: true });
      } catch {
        line.textContent = "We can’t reach the server right now. Your message is saved here, and goes out as soon as we can.";
        line.hidden = false;
        button.textContent = "Try now";
        retry = setTimeout(send, pause);
        pause = Math.min(pause * 2, 60_000);
      }
      button.removeAttribute("aria-disabled");
      busy = false;
    };
    area.addEventListener("input", () => keep(false));
    reply.addEventListener("submit", (event) => {
      const { length } = [...area.value.trim()];
      // The page that comes says what is wrong.
      if (!length || length > Number(area.dataset.max)) return remember(draft, null);
      event.preventDefault();
      send();
    });
    addEventListener("online", () => { if (area.readOnly) send(); });
    const kept = remembered(draft);
    if (kept && [kept.text, ""].includes(area.value)) {
      area.value = kept.text;
      area.dispatchEvent(new Event("input"));
      if (kept.isSent) {
        token.value = kept.token;
        send();
      }
    }
  }

  // By events where they come; else by asking, less and less often.
  const FIRST = 10_000;
  const LAST = 60_000;
  let stream = null;
  let timer = 0;
  let wait = FIRST;
  let tag = "";
  const stopAsking = () => { clearTimeout(timer); timer = 0; wait = FIRST; };
  const askLater = () => {
    if (timer) return;
    timer = setTimeout(ask, wait * (0.8 + Math.random() * 0.4));
  };
  const ask = async () => {
    timer = 0;
    try {
      const answer = await request(main.dataset.poll, { headers: tag ? { "if-none-match": tag } : {} });
      if (answer.status === 200) {
        tag = answer.headers.get("etag") || "";
        await refresh();
      }
      const isCalm = !document.hidden && (answer.ok || answer.status === 304);
      wait = isCalm ? FIRST : Math.min(wait * 2, LAST);
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
  const begin = () => { listen(); if (document.hidden || !window.EventSource) askLater(); };
  begin();
  // Browsers allow few connections a site, so a page that nobody sees holds none: it asks now and then. And a phone that
  // slept may hold a stream that died without a word, so whoever comes back asks and listens anew.
  const rest = () => {
    stream?.close();
    stopAsking();
    again = false;
    reading?.abort();
  };
  const wake = () => {
    rest();
    if (!document.hidden) refresh();
    begin();
    look();
  };
  addEventListener("visibilitychange", wake);
  addEventListener("pagehide", rest);
  addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
  addEventListener("online", wake);
})();
