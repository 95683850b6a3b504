/** Tells people: aloud through the page's live region, and in passing notes (toasts). */

import { byId, h } from "./dom.js";

const SHOWN_FOR = 5000; // ms

/**
 * Says something to those who do not see the page.
 *
 * An open dialog has a live region of its own: what lies outside of it is inert, and not read.
 *
 * @param {string} message
 */
export function announce(message) {
  const region = document.querySelector("dialog[open] .announcement") ?? byId("announcement");
  // Twice the same text in a row would not be read again.
  region.textContent = region.textContent === message ? `${message}\u00a0` : message;
}

/**
 * Shows a note for some seconds, and reads it out.
 *
 * @param {string} message
 */
export function toast(message) {
  announce(message);
  document.querySelector(".toast")?.remove(); // they lie in one place
  const note = h("div", { class: "toast" }, message);
  const place = /** @type {HTMLElement} */ (
    document.querySelector("dialog[open]") ?? document.body
  );
  place.append(note);
  setTimeout(() => note.remove(), SHOWN_FOR);
}

/**
 * @param {string} text
 * @param {string} what it is, for the note: "Path"
 */
export async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied.`);
  } catch {
    toast(`The browser does not let the page copy. ${what}: ${text}`);
  }
}
