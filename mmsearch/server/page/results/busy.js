/** Tells that a search is going on: at once, but nothing is seen of one that is quick. */

import { byId } from "../lib/dom.js";

const SLOW = 150; // ms after which it is seen

let seen = 0;

/** @param {boolean} isBusy */
export function showBusy(isBusy) {
  byId("main").setAttribute("aria-busy", String(isBusy));
  clearTimeout(seen);
  if (!isBusy) byId("busy").hidden = true;
  else seen = window.setTimeout(() => (byId("busy").hidden = false), SLOW);
}
