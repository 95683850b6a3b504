/** The help: what can be asked, and all keys. */

import { byId } from "./lib/dom.js";

/** Has a click beside the help close it. */
export function setUpHelp() {
  const help = dialog();
  help.addEventListener("click", (event) => {
    if (event.target === help) help.close();
  });
}

/** Opens the help, or closes it again. */
export function toggleHelp() {
  const help = dialog();
  if (help.open) help.close();
  else help.showModal();
}

function dialog() {
  return /** @type {HTMLDialogElement} */ (byId("help"));
}
