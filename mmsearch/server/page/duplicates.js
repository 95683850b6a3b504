/** The review of duplicates: what there is several times, side by side. Nothing is deleted. */

/** @import {State} from "./navigation.js" */

import { IndexApi, viewable } from "./api.js";
import { announce, copyText } from "./lib/announce.js";
import { byId, h, icon, pathText } from "./lib/dom.js";
import { counted, date, folderName, number, size } from "./lib/format.js";

const AT_ONCE = 40; // groups that are added to the page at a time

const MATCHES = [
  ["exact", "Same file"],
  ["near", "Same photo"],
  ["burst", "Same scene"],
];

/** @type {Record<string, string>} */
const MATCH_WORDS = { exact: "same content", near: "same photo", burst: "same scene" };

/**
 * @typedef {object} File
 * @property {string} path
 * @property {string} [name]
 * @property {number} asset
 * @property {string | null} [match]
 * @property {number} bytes
 * @property {number | null} width
 * @property {number | null} height
 * @property {string | null} captured_at
 * @property {string | null} [thumbnail]
 *
 * @typedef {{reason: string, best: File, copies: File[]}} Group
 */

export class Duplicates {
  #place = byId("duplicates");
  #shown = "";
  #abort = new AbortController();

  /** @param {{onMatch: (match: string) => void, onClose: () => void}} does */
  constructor(does) {
    this.does = does;
  }

  /** Nobody looks at them any more. */
  leave() {
    this.#abort.abort();
    this.#shown = "";
  }

  /** Compares, unless that is what is shown. @param {IndexApi} api @param {State} state */
  async show(api, { match }) {
    const wanted = `${api.name} ${match}`;
    if (this.#shown === wanted) return;
    this.leave();
    this.#shown = wanted;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    document.title = "Duplicates · mmsearch";
    byId("heading").textContent = "Duplicates";
    this.#place.replaceChildren(
      h(
        "p",
        { class: "waiting", role: "status" },
        "Comparing all photos. The first time, each is looked at…",
      ),
    );
    try {
      const view = await duplicatesView(api, match, signal, this.does);
      if (!signal.aborted) this.#place.replaceChildren(view);
    } catch (error) {
      this.#place.replaceChildren();
      if (!signal.aborted) this.#shown = "";
      throw error;
    }
  }
}

/**
 * @param {IndexApi} api
 * @param {string} match
 * @param {AbortSignal} signal
 * @param {{onMatch: (match: string) => void, onClose: () => void}} does
 */
async function duplicatesView(api, match, signal, { onMatch, onClose }) {
  /** @type {{groups: Group[], left_out: {path: string, reason: string}[]}} */
  const { groups, left_out: leftOut } = await api.duplicates(match, signal);
  const copies = groups.flatMap((group) => group.copies);
  const bytes = copies.reduce((sum, copy) => sum + copy.bytes, 0);
  if (signal.aborted) return h("div");
  const summary = groups.length
    ? `${counted(groups.length, "group")}, ${counted(copies.length, "copy", "copies")}, ${size(bytes)} in copies. Nothing is deleted here.`
    : "";
  announce(groups.length ? summary : "There are no duplicates.");
  return h(
    "section",
    { class: "duplicates", "aria-labelledby": "duplicates-title" },
    h(
      "header",
      { class: "duplicates-head" },
      h("h2", { id: "duplicates-title" }, "Duplicates"),
      matchChoice(match, onMatch),
      h("span", { class: "spacer" }),
      copies.length > 0 &&
        h(
          "button",
          {
            type: "button",
            class: "button",
            onclick: () =>
              copyText(copies.map(({ path }) => path).join("\n"), "Paths of all copies"),
          },
          icon("copy"),
          "Copy the paths of all copies",
        ),
      h("button", { type: "button", class: "button", onclick: onClose }, "Back to search"),
    ),
    summary && h("p", { class: "duplicates-summary" }, summary),
    groups.length ? groupList(groups, api) : nothing(leftOut.length),
    leftOut.length > 0 && leftOutList(leftOut),
  );
}

/** @param {string} match @param {(match: string) => void} onMatch */
function matchChoice(match, onMatch) {
  return h(
    "div",
    { class: "segmented", role: "group", "aria-label": "How alike they are" },
    ...MATCHES.map(([name, label]) =>
      h(
        "button",
        { type: "button", "aria-pressed": String(name === match), onclick: () => onMatch(name) },
        label,
      ),
    ),
  );
}

/** @param {number} leftOut files that were not compared */
function nothing(leftOut) {
  return h(
    "section",
    { class: "message" },
    h("span", { class: "message-icon" }, icon(leftOut ? "update" : "check")),
    h("h2", {}, "No duplicates"),
    h(
      "p",
      {},
      leftOut
        ? "Bring the index up to date first: files are gone, or have changed since they were indexed."
        : "Every file here is there once.",
    ),
  );
}

/** The groups; more of them are added as the end comes near. @param {Group[]} groups @param {IndexApi} api */
function groupList(groups, api) {
  const list = h("ol", { class: "groups" });
  const end = h("div", { class: "groups-end" });
  let shown = 0;
  const more = () => {
    list.append(...groups.slice(shown, shown + AT_ONCE).map((group) => groupView(group, api)));
    shown += AT_ONCE;
    if (shown >= groups.length) watcher.disconnect();
  };
  const watcher = new IntersectionObserver(
    (seen) => {
      if (seen.some((one) => one.isIntersecting)) more();
    },
    { rootMargin: "800px" },
  );
  more();
  watcher.observe(end);
  return h("div", {}, list, end);
}

/** @param {Group} group @param {IndexApi} api */
function groupView(group, api) {
  return h(
    "li",
    { class: "group" },
    fileView(group.best, `best: ${group.reason}`, api),
    ...group.copies.map((copy) => fileView(copy, MATCH_WORDS[copy.match ?? ""] ?? "", api)),
  );
}

/** @param {File} file @param {string} label @param {IndexApi} api */
function fileView(file, label, api) {
  const picture = h("img", {
    src: IndexApi.sized(file.thumbnail ?? api.url(`assets/${file.asset}/thumbnail`), 512),
    alt: "",
    loading: "lazy",
    decoding: "async",
  });
  picture.addEventListener("error", () =>
    picture.replaceWith(h("span", { class: "tile-gone" }, icon("text"))),
  );
  const name = file.path.slice(folderName(file.path).length).replace(/^[\\/]/u, "");
  return h(
    "figure",
    { class: `copy ${file.match ? "" : "is-best"}` },
    h(
      "a",
      {
        class: "copy-picture",
        href: viewable(api.url(`assets/${file.asset}/media`), file.path),
        target: "_blank",
        rel: "noopener",
        "aria-label": `Open ${name}`,
      },
      picture,
    ),
    h(
      "figcaption",
      {},
      h("span", { class: "tag" }, label),
      h("span", { class: "copy-name", title: file.path }, name),
      h("span", { class: "copy-folder", title: file.path }, pathText(folderName(file.path))),
      h(
        "span",
        { class: "copy-figures" },
        [
          file.width && file.height && `${number(file.width)} × ${number(file.height)}`,
          size(file.bytes),
          file.captured_at && date(file.captured_at),
        ]
          .filter(Boolean)
          .join(" · "),
      ),
      h(
        "button",
        {
          type: "button",
          class: "icon-button small",
          "aria-label": `Copy the path of ${name}`,
          title: "Copy the path",
          onclick: () => copyText(file.path, "Path"),
        },
        icon("copy"),
      ),
    ),
  );
}

/** @param {{path: string, reason: string}[]} files */
function leftOutList(files) {
  return h(
    "details",
    { class: "left-out" },
    h(
      "summary",
      {},
      `${counted(files.length, "file is", "files are")} in no group: gone or changed since indexed`,
    ),
    h(
      "ul",
      { class: "paths" },
      ...files.map(({ path, reason }) =>
        h("li", {}, h("span", { class: "path" }, pathText(path)), " ", reason),
      ),
    ),
  );
}
