/** One hit in the grid: its picture, or a card of what it says. */

/** @import {Hit} from "../types.js" */

import { IndexApi } from "../api.js";
import { h, icon, put } from "../lib/dom.js";
import { clock, counted, modalityName, percent } from "../lib/format.js";

export const SIZES = [256, 512, 1024]; // pixels of the longer side that thumbnails come in

/** Whether a hit has a picture to show. @param {Hit} hit */
function hasPicture(hit) {
  return Boolean(hit.thumbnail && hit.width && hit.height);
}

/** Whether a hit is a moment of something that plays. @param {Hit} hit */
export function isTimed(hit) {
  return hit.duration !== null && hit.duration !== undefined
    ? hit.duration > 0
    : hit.start !== null;
}

/**
 * @param {Hit} hit
 * @param {{position: number, count: number, href: string, width: number, height: number}} place
 */
export function tile(hit, { position, count, href, width, height }) {
  const link = h("a", {
    class: `tile ${hasPicture(hit) ? "tile-picture" : "tile-card"}`,
    href,
    draggable: false,
    tabIndex: -1,
    "aria-label": describe(hit),
    data: { position },
  });
  if (hasPicture(hit)) put(link, picture(hit, width, height));
  else put(link, card(hit));
  put(link, badges(hit), hasPicture(hit) && foot(hit));
  const made = h(
    "div",
    { role: "listitem", class: "cell", "aria-setsize": count, "aria-posinset": position + 1 },
    link,
  );
  return made;
}

/** What a hit is, in words, for those who do not see it. @param {Hit} hit */
export function describe(hit) {
  return [
    isTimed(hit) && hit.modality !== "frame" ? "Recording" : modalityName(hit.modality),
    hit.name,
    hit.start !== null && `at ${clock(hit.start)}`,
    hit.text && `“${hit.text.slice(0, 160)}”`,
    hit.relevance !== null && `${percent(hit.relevance)} likely`,
    hit.copies.length && counted(hit.copies.length, "copy", "copies"),
  ]
    .filter(Boolean)
    .join(", ");
}

/** @param {Hit} hit @param {number} width @param {number} height */
function picture(hit, width, height) {
  const thumbnail = /** @type {string} */ (hit.thumbnail);
  const longer = Math.max(width, height);
  const scale = longer === width ? 1 : width / height; // srcset speaks of widths alone
  const made = h("img", {
    class: "tile-image",
    alt: "",
    decoding: "async",
    draggable: false,
    sizes: `${width}px`,
    data: {
      srcset: SIZES.map(
        (size) => `${IndexApi.sized(thumbnail, size)} ${Math.round(size * scale)}w`,
      ).join(", "),
    },
  });
  made.addEventListener("load", () => made.classList.add("is-loaded"));
  made.addEventListener("error", () => {
    if (made.dataset.srcset) return; // it was taken back before it came
    made.replaceWith(h("span", { class: "tile-gone" }, icon("gone"), h("span", {}, hit.name)));
  });
  return made;
}

/** Begins to load a tile's picture. @param {Element} cell */
export function load(cell) {
  const image = /** @type {HTMLImageElement | null} */ (cell.querySelector("img[data-srcset]"));
  if (!image) return;
  const { srcset } = image.dataset;
  delete image.dataset.srcset;
  image.srcset = srcset ?? "";
  if (image.complete && image.naturalWidth) image.classList.add("is-loaded", "is-instant");
}

/** Stops loading what is no longer shown. @param {Element} cell */
export function unload(cell) {
  const image = /** @type {HTMLImageElement | null} */ (cell.querySelector("img.tile-image"));
  if (image && !image.complete) {
    image.dataset.srcset = image.srcset;
    image.removeAttribute("srcset");
  }
}

/** @param {Hit} hit */
function card(hit) {
  const plays = isTimed(hit);
  return h(
    "span",
    { class: `card ${plays ? "card-sound" : ""}` },
    h(
      "span",
      { class: "card-head" },
      icon(plays ? "sound" : "text"),
      h("span", { class: "card-name" }, hit.name),
    ),
    hit.text && h("span", { class: "card-text" }, hit.text),
  );
}

/** @param {Hit} hit */
function badges(hit) {
  const made = [];
  if (isTimed(hit)) {
    const at = hit.start !== null && hit.start >= 1 ? hit.start : hit.duration; // or all of it
    made.push(h("span", { class: "badge" }, icon("play"), at && clock(at)));
  }
  if (hit.copies.length) {
    made.push(h("span", { class: "badge" }, icon("copies"), String(hit.copies.length + 1)));
  }
  return made.length ? h("span", { class: "badges" }, ...made) : null;
}

/** @param {Hit} hit */
function foot(hit) {
  return h(
    "span",
    { class: "tile-foot" },
    h("span", { class: "tile-name" }, hit.text ? `“${hit.text}”` : hit.name),
    hit.relevance !== null && h("span", { class: "tile-relevance" }, percent(hit.relevance)),
  );
}
