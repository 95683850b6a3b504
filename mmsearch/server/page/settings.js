/** The menu of the page: light and dark, and what else there is to do. */

import { byId } from "./lib/dom.js";
import { recall, remember } from "./lib/storage.js";
import { place } from "./query/facets.js";

/** @typedef {"system" | "light" | "dark"} Theme */

const THEMES = /** @type {const} */ (["system", "light", "dark"]);

/** @returns {Theme} */
function theme() {
  const chosen = recall("theme");
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

/** @param {Theme} chosen */
function setTheme(chosen) {
  remember("theme", chosen === "system" ? null : chosen);
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  for (const name of THEMES)
    byId(`theme-${name}`).setAttribute("aria-pressed", String(name === chosen));
}

/** The next theme, for the key. */
export function nextTheme() {
  setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
  return theme();
}

/** @param {{onUpdate: () => void, onDuplicates: () => void, onHelp: () => void}} does */
export function setUpMenu({ onUpdate, onDuplicates, onHelp }) {
  const menu = byId("menu");
  const button = byId("open-menu");
  menu.addEventListener("toggle", (event) => {
    const open = /** @type {ToggleEvent} */ (event).newState === "open";
    button.setAttribute("aria-expanded", String(open));
    if (open) place(menu, button);
  });
  for (const name of THEMES) byId(`theme-${name}`).addEventListener("click", () => setTheme(name));
  for (const [id, act] of /** @type {const} */ ([
    ["do-update", onUpdate],
    ["do-duplicates", onDuplicates],
    ["do-help", onHelp],
  ])) {
    byId(id).addEventListener("click", () => {
      menu.hidePopover();
      act();
    });
  }
  setTheme(theme());
}
