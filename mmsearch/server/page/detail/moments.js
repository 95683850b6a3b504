/** What is written, said and seen in a file: its texts, and moments to jump to. */

/** @import {Item} from "../types.js" */

import { IndexApi } from "../api.js";
import { h } from "../lib/dom.js";
import { clock, modalityName } from "../lib/format.js";

/**
 * @param {Item[]} items of the asset
 * @param {number} current the item that was hit
 * @param {((seconds: number) => void) | null} onJump plays from a moment
 */
export function itemTexts(items, current, onJump) {
  const shown = items.filter((item) => item.text || item.start !== null);
  if (!shown.length) return null;
  const timed = shown.some((item) => item.start !== null);
  const list = h(
    timed ? "ol" : "ul",
    { class: timed ? "moments" : "texts" },
    ...shown.map((item) => entry(item, item.item === current, onJump)),
  );
  return h("section", { class: "side-section" }, h("h3", {}, timed ? "Moments" : "Text"), list);
}

/** @param {Item} item @param {boolean} isCurrent @param {((seconds: number) => void) | null} onJump */
function entry(item, isCurrent, onJump) {
  const { start } = item;
  const seen = item.thumbnail ? IndexApi.sized(item.thumbnail, 128) : "";
  const said =
    item.text ?? h("img", { src: seen, alt: modalityName(item.modality), loading: "lazy" });
  if (start === null || !onJump) {
    return h(
      "li",
      { class: isCurrent ? "is-current" : "" },
      item.modality === "ocr" && h("span", { class: "tag" }, "in the photo"),
      said,
    );
  }
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: `moment ${item.text ? "" : "is-seen"}`,
        "aria-current": isCurrent ? "true" : null,
        data: { start, end: item.end ?? "" },
        onclick: () => onJump(start),
      },
      h("span", { class: "moment-time" }, clock(start)),
      h("span", {}, said),
    ),
  );
}

/** Scrolls the list, and nothing around it, to a moment. @param {Element | null} moment */
export function reveal(moment) {
  const list = moment?.closest(".moments");
  if (!moment || !list) return;
  const below = moment.getBoundingClientRect().bottom - list.getBoundingClientRect().bottom;
  if (below > 0) list.scrollTop += below;
}

/**
 * Marks the moment that is playing, and calls with its text.
 *
 * @param {HTMLMediaElement} player
 * @param {HTMLElement} list
 * @param {(text: string) => void} onText
 */
export function followPlayer(player, list, onText) {
  const moments = [...list.querySelectorAll(".moment:not(.is-seen)")].map(
    (one) => /** @type {HTMLElement} */ (one),
  );
  /** @type {HTMLElement | null} */
  let playing = null;
  player.addEventListener("timeupdate", () => {
    const now = player.currentTime + 0.05; // players stop just short of where they are sent
    const found = moments.findLast((one) => Number(one.dataset.start) <= now) ?? null;
    if (found === playing) return;
    playing?.classList.remove("is-playing");
    found?.classList.add("is-playing");
    playing = found;
    if (found) onText(found.lastElementChild?.textContent ?? "");
  });
}
