/** Dropping, pasting and picking a file to search by. */

import { byId } from "../lib/dom.js";
import { isSearchable } from "./upload.js";

/**
 * @param {(file: File) => void} onFile called with a picture or recording
 * @param {(why: string) => void} onRefused called where it is neither
 */
export function listenForFiles(onFile, onRefused) {
  const layer = byId("drop");
  const input = /** @type {HTMLInputElement} */ (byId("file"));

  /** @param {FileList | undefined | null} list */
  const take = (list) => {
    if (!list?.length) return;
    const file = [...list].find(isSearchable);
    if (file) onFile(file);
    else onRefused(`${list[0].name} is neither a picture nor a recording.`);
  };

  byId("pick").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take(input.files);
    input.value = ""; // so that the same file can be picked again
  });

  let depth = 0; // entering a child comes before leaving its parent
  /** @param {DragEvent} event */
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
  const end = () => {
    depth = 0;
    layer.hidden = true;
  };
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    layer.hidden = document.querySelector("dialog[open]") !== null;
  });
  addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth -= 1;
    if (depth <= 0) end();
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault(); // else the browser would open the file
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    end();
    take(event.dataTransfer?.files);
  });
  addEventListener("paste", (event) => {
    const pasted = event.clipboardData?.files;
    if (!pasted?.length) return; // text goes where the cursor is
    event.preventDefault();
    take(pasted);
  });
}
