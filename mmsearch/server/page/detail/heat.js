/** Where in its picture a query is seen: a heat map over it, and which words tell. */

import { h } from "../lib/dom.js";

// Cold places are dimmed, hot ones lit: the picture itself stays to be seen where it matters.
const COLD = [9, 8, 22, 0.72]; // red, green, blue to 255, opacity to 1
const HOT = [255, 178, 64, 0.2];
const SHARPNESS = 1.4; // above 1, what is lukewarm counts as cold rather than hot

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
    const heat = Math.max(0, (similarity - mean) / (peak - mean)) ** SHARPNESS;
    const [red, green, blue, opacity] = COLD.map((cold, k) => cold + heat * (HOT[k] - cold));
    pixels.data.set([red, green, blue, opacity * 255], i * 4);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
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
        h(
          "span",
          { class: "effect-word" },
          word,
          matched && h("span", { class: "effect-matched" }, " in the text"),
        ),
        h("span", { class: "effect-sign", "aria-hidden": "true" }, effect < 0 ? "−" : "+"),
        h("span", { class: "effect-track" }, bar),
        h("span", { class: "visually-hidden" }, effect < 0 ? "speaks against it" : "speaks for it"),
      );
    }),
  );
}
