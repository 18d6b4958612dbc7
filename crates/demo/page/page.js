// Watches the board, and tells the three parts of the page what changed.

import { by, linksLeadTo } from "/words.js";
import * as website from "/website.js";
import * as between from "/between.js";
import * as phone from "/phone.js";

/** How long until the page looks again, in milliseconds. */
const PAUSE = 350;

let etag = "";
/** Which start of the demo is shown. */
let run;

async function look() {
  try {
    const answer = await fetch("/state", { cache: "no-store", headers: { "if-none-match": etag } });
    if (answer.status === 200) {
      etag = answer.headers.get("etag");
      const state = await answer.json();
      // It was started anew: nothing of what is shown exists any more.
      if (run && run !== state.run) return location.reload();
      run = state.run;
      linksLeadTo(state.base);
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
