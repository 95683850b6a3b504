/** The filters for type, folder and date: menus with counts that write into the query. */

/** @import {IndexApi} from "../api.js" */
/** @import {Facets} from "../types.js" */
/** @import {Part} from "./understood.js" */

import { byId, h, icon } from "../lib/dom.js";
import { counted, modalityName, number } from "../lib/format.js";
import { filterText, without, withPart } from "./text.js";

/** @typedef {"type" | "folder" | "date"} Menu */

/** @type {Record<Menu, string[]>} which filters a menu writes */
const KEYS = { type: ["type"], folder: ["in"], date: ["on", "after", "before"] };

const MANY = 10; // entries above which a list can be narrowed by typing

export class FacetMenus {
  #q = "";
  /** @type {Part[]} */
  #parts = [];

  /**
   * @param {object} does
   * @param {() => IndexApi} does.api of the index that is shown
   * @param {() => Promise<void>} does.settled when the search that is going on has been answered
   * @param {(q: string) => void} does.onChange the query with the filter that was chosen
   */
  constructor({ api, settled, onChange }) {
    this.api = api;
    this.settled = settled;
    this.onChange = onChange;
    for (const menu of /** @type {Menu[]} */ (Object.keys(KEYS))) {
      const panel = byId(`menu-${menu}`);
      const button = byId(`open-${menu}`);
      panel.addEventListener("beforetoggle", () => {
        // What was counted before is of another query.
        panel.replaceChildren(h("p", { class: "menu-note" }, "Counting…"));
      });
      panel.addEventListener("toggle", (event) => {
        const open = /** @type {ToggleEvent} */ (event).newState === "open";
        button.setAttribute("aria-expanded", String(open));
        if (open) this.#open(menu, panel, button);
      });
    }
  }

  /** Shows which filters a query has. @param {string} q @param {Part[]} parts */
  show(q, parts) {
    this.#q = q;
    this.#parts = parts;
    for (const menu of /** @type {Menu[]} */ (Object.keys(KEYS))) {
      byId(`open-${menu}`).classList.toggle("is-active", this.#own(menu).length > 0);
    }
  }

  /** The filters of a menu that are typed. @param {Menu} menu */
  #own(menu) {
    return this.#parts.filter(
      (part) => part.kind === "filter" && !part.negated && KEYS[menu].includes(part.key),
    );
  }

  /** The query without the filters of a menu. @param {Menu} menu */
  #rest(menu) {
    // From the end, so that the places of those before stay right.
    return this.#own(menu)
      .flatMap((part) => part.span ?? [])
      .sort((a, b) => b.start - a.start)
      .reduce((q, cut) => without(q, cut), this.#q);
  }

  /** @param {Menu} menu @param {HTMLElement} panel @param {HTMLElement} button */
  async #open(menu, panel, button) {
    place(panel, button);
    try {
      await this.settled(); // only then it is known which filters there are
      const rest = this.#rest(menu);
      const facets = await this.api().facets(rest);
      const chosen = new Set(
        this.#own(menu).flatMap(({ key, value }) => (key === "type" ? value.split(",") : value)),
      );
      /** @param {string | null} filters */
      const pick = (filters) => {
        panel.hidePopover();
        this.onChange(filters ? withPart(rest, filters) : rest);
      };
      panel.replaceChildren(...BUILDERS[menu](facets, chosen, pick, this.#own(menu)));
    } catch (error) {
      panel.replaceChildren(h("p", { class: "menu-note" }, /** @type {Error} */ (error).message));
    }
    place(panel, button);
    /** @type {HTMLElement | null} */ (panel.querySelector("button, input"))?.focus();
  }
}

/** @typedef {(filters: string | null) => void} Pick */

/** @type {Record<Menu, (facets: Facets, chosen: Set<string>, pick: Pick, own: Part[]) => HTMLElement[]>} */
const BUILDERS = {
  type({ types }, chosen, pick) {
    if (!types.length) return [nothing()];
    return [
      ...types.map(({ value, assets }) =>
        entry(modalityName(value, true), assets, chosen.has(value), () => {
          if (!chosen.delete(value)) chosen.add(value);
          pick(chosen.size ? `type:${[...chosen].join(",")}` : null);
        }),
      ),
      ...clearing(chosen, pick),
    ];
  },

  folder({ folders, more_folders: more }, chosen, pick) {
    if (!folders.length) return [nothing()];
    const entries = folders.map(({ path, name, assets }) => {
      const value = name || path;
      const isChosen = chosen.has(value);
      return entry(value, assets, isChosen, () => pick(isChosen ? null : filterText("in", value)));
    });
    return [
      ...narrowing(entries, "Find a folder"),
      ...entries,
      ...(more ? [h("p", { class: "menu-note" }, `and ${counted(more, "smaller folder")}`)] : []),
      ...clearing(chosen, pick),
    ];
  },

  date({ years, undated }, chosen, pick, own) {
    const most = Math.max(1, ...years.map(({ assets }) => assets));
    const entries = years.map(({ value, assets }) => {
      const isChosen = chosen.has(value);
      const made = entry(value, assets, isChosen, () => pick(isChosen ? null : `on:${value}`));
      const bar = h("span", { class: "menu-bar" });
      bar.style.width = `calc((100% - 8px) * ${Math.max(0.02, assets / most)})`; // 4 px on both sides
      made.append(bar);
      return made;
    });
    return [
      ...entries,
      ...(undated
        ? [
            h(
              "p",
              { class: "menu-note" },
              `${counted(undated, "file does", "files do")} not say when.`,
            ),
          ]
        : []),
      stretch(own, pick),
      ...clearing(chosen, pick),
    ];
  },
};

/** From one day to another. @param {Part[]} own @param {Pick} pick */
function stretch(own, pick) {
  /** @param {string} key */
  const typed = (key) => own.find((part) => part.key === key)?.value ?? "";
  /** @param {string} name @param {string} value */
  const day = (name, value) =>
    h("input", { type: "date", name, value: /^\d{4}-\d\d-\d\d$/u.test(value) ? value : "" });
  const from = day("from", typed("after"));
  const to = day("to", typed("before"));
  return h(
    "form",
    {
      class: "menu-stretch",
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        const filters = [from.value && `after:${from.value}`, to.value && `before:${to.value}`];
        pick(filters.filter(Boolean).join(" ") || null);
      },
    },
    h("label", {}, "From", from),
    h("label", {}, "Before", to),
    h("button", { type: "submit", class: "button" }, "Apply"),
  );
}

/** @param {string} name @param {number} count @param {boolean} isChosen @param {() => void} onclick */
function entry(name, count, isChosen, onclick) {
  return h(
    "button",
    {
      type: "button",
      class: "menu-entry",
      "aria-pressed": String(isChosen),
      data: { name: name.toLowerCase() },
      onclick,
    },
    h("span", { class: "menu-check" }, isChosen && icon("check")),
    h("span", { class: "menu-name", title: name }, name),
    h("span", { class: "menu-count" }, number(count)),
  );
}

function nothing() {
  return h("p", { class: "menu-note" }, "Nothing passes the other filters.");
}

/** @param {Set<string>} chosen @param {Pick} pick */
function clearing(chosen, pick) {
  if (!chosen.size) return [];
  return [
    h(
      "button",
      { type: "button", class: "menu-clear", onclick: () => pick(null) },
      "Remove this filter",
    ),
  ];
}

/** A field that hides the entries that do not hold what is typed. @param {HTMLElement[]} entries @param {string} label */
function narrowing(entries, label) {
  if (entries.length <= MANY) return [];
  const input = h("input", {
    type: "search",
    placeholder: label,
    "aria-label": label,
    class: "menu-find",
  });
  input.addEventListener("input", () => {
    const typed = input.value.trim().toLowerCase();
    for (const one of entries) one.hidden = !one.dataset.name?.includes(typed);
  });
  return [input];
}

/** Puts a panel below its button, inside the window. @param {HTMLElement} panel @param {HTMLElement} button */
export function place(panel, button) {
  const at = button.getBoundingClientRect();
  // Without the gutter of the scroll bar, which a root's clientWidth holds where nothing scrolls.
  const { width: page } = document.documentElement.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.left, page - panel.offsetWidth - 8));
  panel.style.left = `${left}px`;
  panel.style.top = `${at.bottom + 6}px`;
  panel.style.maxHeight = `${Math.max(160, innerHeight - at.bottom - 18)}px`;
}
