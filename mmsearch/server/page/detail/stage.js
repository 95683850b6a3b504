/** What a hit is, large: its picture, its video or recording from the moment on, or its text. */

/** @import {Hit} from "../types.js" */

import { here, IndexApi } from "../api.js";
import { h, icon } from "../lib/dom.js";
import { fileName } from "../lib/format.js";
import { isTimed } from "../results/tile.js";

const LARGE = 2048; // pixels of the longer side that a picture is shown with

const VIDEO = /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|ogv|wmv|flv|ts|m2ts|3gp)$/iu;

/**
 * @typedef {object} Stage
 * @property {HTMLElement} element
 * @property {HTMLMediaElement | null} player
 * @property {HTMLElement | null} frame what a heat map is laid over
 */

/** @param {Hit} hit @returns {Stage} */
export function stage(hit) {
  if (isTimed(hit)) return VIDEO.test(hit.path) ? video(hit) : sound(hit);
  if (hit.thumbnail && hit.width && hit.height) return picture(hit);
  return text(hit);
}

/** @param {Hit} hit @returns {Stage} */
function picture(hit) {
  const thumbnail = /** @type {string} */ (hit.thumbnail);
  const image = h("img", {
    class: "stage-image",
    alt: hit.text ?? fileName(hit.path),
    decoding: "async",
    src: IndexApi.sized(thumbnail, LARGE),
  });
  const frame = framed(hit, image);
  const below = h("img", { class: "stage-below", alt: "", src: IndexApi.sized(thumbnail, 512) });
  frame.prepend(below); // it was in the grid: it is there at once
  image.addEventListener("load", () => below.remove());
  image.addEventListener("error", () =>
    frame.replaceWith(gone("The file is gone, or cannot be read.")),
  );
  return { element: frame, player: null, frame };
}

/** @param {Hit} hit @param {HTMLElement} content */
function framed(hit, content) {
  const frame = h("div", { class: "frame" }, content);
  frame.style.setProperty("--ratio", String((hit.width ?? 16) / (hit.height ?? 9)));
  return frame;
}

/** @param {Hit} hit @returns {Stage} */
function video(hit) {
  const player = h("video", {
    class: "stage-video",
    controls: true,
    playsInline: true,
    preload: "auto",
    "aria-label": `Video ${hit.name}`,
    poster: hit.thumbnail ? IndexApi.sized(hit.thumbnail, 1024) : "",
  });
  const frame = framed(hit, player);
  playFrom(player, hit, frame);
  return { element: frame, player, frame: null };
}

/** @param {Hit} hit @returns {Stage} */
function sound(hit) {
  const player = h("audio", {
    controls: true,
    preload: "auto",
    "aria-label": `Recording ${hit.name}`,
  });
  const element = h(
    "div",
    { class: "stage-sound" },
    icon("sound"),
    h("p", { class: "stage-said", "aria-live": "off" }, hit.text ?? hit.name),
    player,
  );
  playFrom(player, hit, player);
  return { element, player, frame: null };
}

/** @param {HTMLMediaElement} player @param {Hit} hit @param {HTMLElement} shown */
function playFrom(player, hit, shown) {
  player.addEventListener("loadedmetadata", () => jump(player, hit.start ?? 0), { once: true });
  player.addEventListener(
    "error",
    () =>
      shown.replaceWith(
        gone("The browser cannot play this file. Open the original in another player."),
      ),
    { once: true },
  );
  if (hit.media) player.src = here(hit.media);
}

/** Plays from a moment. @param {HTMLMediaElement} player @param {number} seconds */
export function jump(player, seconds) {
  player.currentTime = seconds;
  player.play().catch(() => {
    // Browsers let no page play before something was clicked in it: the button is there.
  });
}

/** @param {Hit} hit @returns {Stage} */
function text(hit) {
  const element = h(
    "div",
    { class: "stage-text", tabIndex: 0 },
    icon("text"),
    h("p", {}, hit.text ?? hit.name),
  );
  return { element, player: null, frame: null };
}

/** @param {string} why */
function gone(why) {
  return h("div", { class: "stage-gone" }, icon("gone"), h("p", {}, why));
}
