/** What is searched for, as chips: each can be removed. */

/** @import {State} from "../navigation.js" */
/** @import {Part} from "./understood.js" */

import { isRecording } from "../api.js";
import { byId, h, icon, put } from "../lib/dom.js";
import { without } from "./text.js";
import { isPlain } from "./understood.js";

/** @type {Record<string, string>} */
const FILTER_ICONS = {
  type: "kind",
  has: "kind",
  in: "folder",
  before: "date",
  after: "date",
  on: "date",
  near: "place",
};

/**
 * @param {HTMLElement} place
 * @param {object} shown
 * @param {string} shown.q the query
 * @param {readonly Part[]} shown.parts of it
 * @param {File | null} shown.file that is searched by
 * @param {Node | null} shown.preview of the file
 * @param {State} shown.state
 * @param {(item: number) => string} shown.thumbnail address of an item's picture
 * @param {(changes: Partial<State>) => void} go
 */
export function showChips(place, { q, parts, file, preview, state, thumbnail }, go) {
  const spans = parts.flatMap((part) => part.span ?? []);
  const chips = [];
  if (file) {
    const name = isRecording(file) ? "What the recording says" : "This picture";
    chips.push(
      chip([preview ?? icon("sound"), h("span", {}, name)], "", `${name}, ${file.name}`, () =>
        go({ picture: "" }),
      ),
    );
  }
  for (const [kind, words] of /** @type {const} */ ([
    ["more", "More like"],
    ["less", "Less like"],
  ])) {
    for (const item of state[kind]) {
      const picture = h("img", { class: "picture-preview", src: thumbnail(item), alt: "" });
      picture.addEventListener("error", () => picture.remove());
      chips.push(
        chip(
          [icon(kind), words, picture],
          kind === "less" ? "negated" : "",
          `${words} item ${item}`,
          () => go({ [kind]: state[kind].filter((one) => one !== item) }),
        ),
      );
    }
  }
  if (!isPlain(parts)) {
    for (const part of parts) {
      const kind = part.negated ? "negated" : part.kind;
      const { span } = part;
      chips.push(
        chip(
          label(part),
          kind,
          `${part.negated ? "not " : ""}${part.text}`,
          span && (() => go({ q: without(q, span, spans) })),
        ),
      );
    }
  }
  const focused = [...place.children].findIndex((one) => one.contains(document.activeElement));
  place.replaceChildren(...chips.map((one) => h("li", {}, one)));
  place.hidden = !chips.length;
  if (focused >= 0) focusChip(place, focused);
}

/** Puts the focus on the chip that has taken a place, or on the box where none is left. @param {HTMLElement} place @param {number} at */
function focusChip(place, at) {
  const buttons = [...place.querySelectorAll(".chip-remove")];
  const next = buttons[Math.min(at, buttons.length - 1)] ?? byId("q");
  /** @type {HTMLElement} */ (next).focus();
}

/** @param {Part} part */
function label(part) {
  /** @type {(Node | string)[]} */
  const pieces = [];
  if (part.negated) pieces.push(h("span", { class: "chip-sign" }, "not"));
  if (part.kind === "filter" && FILTER_ICONS[part.key]) pieces.push(icon(FILTER_ICONS[part.key]));
  pieces.push(h("span", { class: "chip-text" }, part.text));
  if (part.weight !== 1) pieces.push(h("span", { class: "chip-weight" }, `× ${part.weight}`));
  return pieces;
}

/**
 * @param {(Node | string)[]} content
 * @param {string} kind
 * @param {string} name
 * @param {(() => void) | null} onRemove
 */
function chip(content, kind, name, onRemove) {
  const made = h("span", { class: `chip ${kind && `chip-${kind}`}`.trim() });
  put(made, ...content);
  if (onRemove) {
    put(
      made,
      h(
        "button",
        { type: "button", class: "chip-remove", "aria-label": `Remove ${name}`, onclick: onRemove },
        icon("close"),
      ),
    );
  }
  return made;
}
