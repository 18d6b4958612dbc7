// Watches the board, and tells the three parts of the page what changed.

import { by } from "/words.js";
import * as website from "/website.js";
import * as between from "/between.js";
import * as phone from "/phone.js";

/** How long until the page looks again, in milliseconds. */
const PAUSE = 350;

let etag = "";

async function look() {
  try {
    const answer = await fetch("/state", { cache: "no-store", headers: { "if-none-match": etag } });
    if (answer.status === 200) {
      etag = answer.headers.get("etag");
      const state = await answer.json();
      website.show(state);
      between.show(state);
      phone.show(state);
    }
    by("lost").hidden = true;
  } catch {
    by("lost").hidden = false;
  }
  setTimeout(look, PAUSE);
}

look();
