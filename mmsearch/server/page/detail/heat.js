/** Where in its picture a query is seen: a heat map over it, and which words tell. */

import { h } from "../lib/dom.js";

// From dark to bright in equal steps of perception, as `mmsearch explain --png` draws them.
const COLOURS = [
  [0, 0, 4],
  [40, 11, 84],
  [101, 21, 110],
  [159, 42, 99],
  [212, 72, 66],
  [245, 125, 21],
  [250, 193, 39],
  [252, 255, 164],
];

/**
 * The heat map of an explanation, as large as the picture that it is laid over.
 *
 * @param {number[][]} similarities of the places of a picture, rows from its top
 */
export function heatMap(similarities) {
  const all = similarities.flat();
  const mean = all.reduce((sum, one) => sum + one, 0) / all.length;
  const peak = Math.max(...all);
  const rows = similarities.length;
  const columns = similarities[0].length;
  const canvas = h("canvas", {
    class: "heat",
    width: columns,
    height: rows,
    role: "img",
    "aria-label": "Heat map: where the query is seen most in this picture",
  });
  const context = canvas.getContext("2d");
  if (!context || peak <= mean) return canvas; // it is seen nowhere more than elsewhere
  const pixels = context.createImageData(columns, rows);
  all.forEach((similarity, i) => {
    const heat = Math.max(0, (similarity - mean) / (peak - mean));
    pixels.data.set([...colour(heat), Math.round(255 * (0.5 + 0.22 * heat))], i * 4);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** @param {number} heat from 0 to 1 @returns {number[]} */
function colour(heat) {
  const at = heat * (COLOURS.length - 1);
  const below = Math.min(COLOURS.length - 2, Math.floor(at));
  return COLOURS[below].map((one, i) => Math.round(one + (at - below) * (COLOURS[below + 1][i] - one)));
}

/**
 * What each word of the query does for the hit.
 *
 * @param {{word: string, effect: number, matched?: boolean}[]} words
 */
export function wordEffects(words) {
  const most = Math.max(0.01, ...words.map(({ effect }) => Math.abs(effect)));
  return h(
    "ul",
    { class: "effects" },
    ...words.map(({ word, effect, matched }) => {
      const bar = h("span", { class: `effect-bar ${effect < 0 ? "is-against" : ""}` });
      bar.style.width = `${Math.max(2, (Math.abs(effect) / most) * 100)}%`;
      return h(
        "li",
        {},
        h("span", { class: "effect-word" }, word, matched && h("span", { class: "effect-matched" }, " in the text")),
        h("span", { class: "effect-track" }, bar),
        h("span", { class: "visually-hidden" }, effect < 0 ? "speaks against it" : "speaks for it"),
      );
    }),
  );
}
