/** What a file tells about itself; facts that can be searched by are links to that search. */

import { h, pathText } from "../lib/dom.js";
import { clock, date, folderName, languageName, number, percent, size } from "../lib/format.js";
import { filterText } from "../query/text.js";

/** @import {Hit} from "../types.js" */

/**
 * @param {Hit} hit
 * @param {{bytes?: number | null}} more what only the asset tells
 * @param {(filter: string) => void} search by a filter
 */
export function factList(hit, more, search) {
  /** @type {[string, string | HTMLElement | null][]} */
  const facts = [
    ["Relevance", hit.relevance === null ? null : percent(hit.relevance)],
    ["Taken", taken(hit.captured_at, search)],
    ["Folder", link(pathText(folderName(hit.path)), "in", folderName(hit.path), search)],
    ["Camera", link(hit.camera, "camera", hit.camera, search)],
    ["Size", hit.width && hit.height ? `${number(hit.width)} × ${number(hit.height)}` : null],
    ["Length", hit.duration ? clock(hit.duration) : null],
    ["Language", link(hit.language && languageName(hit.language), "lang", hit.language, search)],
    ["File", more.bytes ? size(more.bytes) : null],
  ];
  return h(
    "dl",
    { class: "facts" },
    ...facts.flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : [])),
  );
}

/** @param {string | null} iso @param {(filter: string) => void} search */
function taken(iso, search) {
  return iso ? link(date(iso, true), "on", iso.slice(0, 10), search) : null;
}

/**
 * @param {Node | string | null | undefined} shown
 * @param {string} key
 * @param {string | null | undefined} value
 * @param {(filter: string) => void} search
 */
function link(shown, key, value, search) {
  if (!shown || !value) return null;
  const filter = filterText(key, value);
  return h(
    "button",
    { type: "button", class: "link", title: `Search ${filter}`, onclick: () => search(filter) },
    shown,
  );
}
