/** Where a photo was taken: on a map that needs no network, and in figures to copy. */

import { copyText } from "../lib/announce.js";
import { h, icon, svg } from "../lib/dom.js";
import { coordinates } from "../lib/format.js";
import { COASTS } from "./coast.js";

const WIDTH = 120; // degrees that are shown around the place
const HEIGHT = 56;

/**
 * @param {number} latitude
 * @param {number} longitude
 * @param {() => void} onNearby look for others nearby
 */
export function placeView(latitude, longitude, onNearby) {
  const figures = coordinates(latitude, longitude);
  return h(
    "figure",
    { class: "place" },
    map(latitude, longitude),
    h(
      "figcaption",
      {},
      h("span", { class: "place-figures" }, figures),
      h(
        "button",
        {
          type: "button",
          class: "icon-button small",
          "aria-label": "Copy the coordinates",
          title: "Copy the coordinates",
          onclick: () => copyText(`${latitude}, ${longitude}`, "Coordinates"),
        },
        icon("copy"),
      ),
      h("button", { type: "button", class: "button small", onclick: onNearby }, "Nearby"),
    ),
  );
}

/** An equirectangular map of the surroundings. @param {number} latitude @param {number} longitude */
function map(latitude, longitude) {
  const left = longitude - WIDTH / 2;
  const top = Math.min(90 - HEIGHT, Math.max(-90, -latitude - HEIGHT / 2));
  const land = COASTS.map(ring).join("");
  const lines = [];
  for (let x = Math.ceil(left / 15) * 15; x < left + WIDTH; x += 15) lines.push(`M${x} -90V90`);
  for (let y = -75; y <= 75; y += 15) lines.push(`M${left} ${y}h${WIDTH}`);
  // Beside it once more on both sides, for places near the date line.
  const lands = [-360, 0, 360].map((shift) =>
    svg("path", { class: "map-land", d: land, transform: `translate(${shift} 0)` }),
  );
  return svg(
    "svg",
    {
      class: "map",
      viewBox: `${left} ${top} ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": `Map: ${coordinates(latitude, longitude)}`,
    },
    ...lands,
    svg("path", { class: "map-lines", d: lines.join("") }),
    svg("circle", { class: "map-halo", cx: longitude, cy: -latitude, r: 4 }),
    svg("circle", { class: "map-dot", cx: longitude, cy: -latitude, r: 1.4 }),
  );
}

/** @param {readonly number[]} flat longitude, latitude, ... */
function ring(flat) {
  let path = "";
  for (let i = 0; i < flat.length; i += 2) path += `${i ? "L" : "M"}${flat[i]} ${-flat[i + 1]}`;
  return `${path}Z`;
}
