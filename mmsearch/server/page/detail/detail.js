/** The detail view: one hit, large, with all that is known of it. */

/** @import {Hit} from "../types.js" */
/** @import {Stage} from "./stage.js" */

import { here, IndexApi, viewable } from "../api.js";
import { announce, copyText, toast } from "../lib/announce.js";
import { byId, h, icon, pathText, put } from "../lib/dom.js";
import { isShownByBrowsers } from "../lib/format.js";
import { filterText } from "../query/text.js";
import { describe, isTimed } from "../results/tile.js";
import { factList } from "./facts.js";
import { heatMap, wordEffects } from "./heat.js";
import { followPlayer, itemTexts, reveal } from "./moments.js";
import { placeView } from "./place.js";
import { jump, stage } from "./stage.js";

const SIMILAR = 8;
const NEARBY = 5; // km

/**
 * @typedef {object} Does
 * @property {() => IndexApi} api of the index that is shown
 * @property {() => void} onClose
 * @property {(by: -1 | 1) => void} onStep to the hit before or after
 * @property {(kind: "more" | "less", item: number) => void} onFeedback
 * @property {(filter: string) => void} onFilter search by this alone
 * @property {(item: number) => string} href address of an item's details
 * @property {(item: number) => void} onItem show another item
 */

export class Detail {
  #dialog = /** @type {HTMLDialogElement} */ (byId("detail"));
  #stagePlace = byId("detail-stage");
  #side = byId("detail-side");
  /** @type {Stage | null} */
  #stage = null;
  /** @type {Hit | null} */
  #hit = null;
  #q = "";
  #abort = new AbortController();

  /** @param {Does} does */
  constructor(does) {
    this.does = does;
    this.#dialog.addEventListener("cancel", (event) => {
      event.preventDefault(); // the address decides what is shown
      does.onClose();
    });
    this.#dialog.addEventListener("keydown", (event) => this.#pressed(event));
    byId("detail-close").addEventListener("click", () => does.onClose());
    byId("detail-previous").addEventListener("click", () => does.onStep(-1));
    byId("detail-next").addEventListener("click", () => does.onStep(1));
  }

  get isOpen() {
    return this.#dialog.open;
  }

  /**
   * @param {Hit} hit
   * @param {{q: string, hasPrevious: boolean, hasNext: boolean}} how the query, where it is one
   *   that can be explained, and whether there are hits beside it
   */
  show(hit, { q, hasPrevious, hasNext }) {
    this.#leave();
    this.#hit = hit;
    this.#q = q;
    this.#stage = stage(hit);
    this.#stagePlace.replaceChildren(this.#stage.element);
    this.#side.replaceChildren(...this.#parts(hit));
    this.#side.scrollTop = 0;
    byId("detail-previous").hidden = !hasPrevious;
    byId("detail-next").hidden = !hasNext;
    if (!this.#dialog.open) this.#dialog.showModal();
    announce(describe(hit));
    this.#fillIn(hit, this.#abort.signal);
  }

  close() {
    if (!this.#dialog.open) return;
    this.#leave();
    this.#dialog.close();
    this.#stagePlace.replaceChildren();
    this.#side.replaceChildren();
  }

  /** Ends what the hit before was doing. */
  #leave() {
    this.#abort.abort();
    this.#abort = new AbortController();
    const player = this.#stage?.player;
    if (player) {
      player.pause();
      player.removeAttribute("src");
      player.load(); // else the browser goes on fetching
    }
    this.#stage = null;
  }

  /** @param {Hit} hit */
  #parts(hit) {
    const { does } = this;
    const isPlaced = hit.latitude !== null && hit.longitude !== null;
    return [
      h("h2", { id: "detail-title", class: "detail-title" }, hit.name),
      this.#pathLine(hit),
      this.#actions(hit),
      h("div", { id: "detail-why" }),
      h("div", { id: "detail-texts" }),
      h("div", { id: "detail-facts" }, factList(hit, {}, does.onFilter)),
      isPlaced
        ? placeView(Number(hit.latitude), Number(hit.longitude), () =>
            does.onFilter(filterText("near", `${hit.latitude},${hit.longitude},${NEARBY}`)),
          )
        : "",
      h("div", { id: "detail-copies" }, this.#copies(hit)),
      h("div", { id: "detail-similar" }),
    ];
  }

  /** @param {Hit} hit */
  #pathLine(hit) {
    return h(
      "p",
      { class: "detail-path" },
      h("span", { class: "path", title: hit.path }, pathText(hit.path)),
      h(
        "button",
        {
          type: "button",
          class: "icon-button small",
          "aria-label": "Copy the path",
          title: "Copy the path (c)",
          onclick: () => copyText(hit.path, "Path"),
        },
        icon("copy"),
      ),
    );
  }

  /** @param {Hit} hit */
  #actions(hit) {
    const { does } = this;
    /** @param {string} name @param {string} label @param {string} key @param {() => void} onclick */
    const action = (name, label, key, onclick) =>
      h(
        "button",
        {
          type: "button",
          class: "button",
          title: `${label} (${key})`,
          "aria-keyshortcuts": key,
          onclick,
        },
        icon(name),
        label,
      );
    const place = h(
      "div",
      { class: "detail-actions" },
      action("more", "More like this", "m", () => does.onFeedback("more", hit.item)),
      action("less", "Less like this", "l", () => does.onFeedback("less", hit.item)),
    );
    if (this.#q) {
      const explain = action("heat", "Why?", "w", () => this.#toggleWhy());
      explain.id = "detail-explain";
      explain.setAttribute("aria-pressed", "false");
      put(place, explain);
    }
    put(place, ...originals(hit));
    return place;
  }

  /** @param {Hit} hit */
  #copies(hit) {
    if (!hit.copies.length) return null;
    return h(
      "section",
      { class: "side-section" },
      h("h3", {}, "Copies"),
      h(
        "ul",
        { class: "paths" },
        ...hit.copies.map(({ path }) => h("li", { class: "path", title: path }, pathText(path))),
      ),
    );
  }

  /** Adds what only the server knows. @param {Hit} hit @param {AbortSignal} signal */
  async #fillIn(hit, signal) {
    const { does } = this;
    const api = does.api();
    const asset = api.asset(hit.asset, signal).then((found) => {
      if (signal.aborted) return;
      byId("detail-facts").replaceChildren(factList(hit, found, does.onFilter));
      const player = this.#stage?.player ?? null;
      const texts = itemTexts(found.items, hit.item, player && ((at) => jump(player, at)));
      if (!texts) return;
      byId("detail-texts").replaceChildren(texts);
      reveal(texts.querySelector("[aria-current]"));
      if (player) followPlayer(player, texts, (said) => this.#say(said));
    });
    const isSeen = hit.modality === "image" || hit.modality === "frame";
    const same = new Set([hit, ...hit.copies].map((one) => one.asset));
    const similar =
      isSeen &&
      api.similar(hit.item, SIMILAR + same.size, signal).then(({ hits }) => {
        if (signal.aborted) return;
        put(byId("detail-similar"), this.#strip(hits.filter((one) => !same.has(one.asset))));
      });
    await Promise.allSettled([asset, similar]); // the view is of use without them
  }

  /** @param {string} said */
  #say(said) {
    const line = this.#stagePlace.querySelector(".stage-said");
    if (line) line.textContent = said;
  }

  /** @param {Hit[]} hits */
  #strip(hits) {
    const shown = hits.filter((hit) => hit.thumbnail && hit.width).slice(0, SIMILAR);
    if (!shown.length) return null;
    return h(
      "section",
      { class: "side-section" },
      h("h3", {}, "Similar"),
      h(
        "ul",
        { class: "strip" },
        ...shown.map((hit) => {
          const link = h(
            "a",
            {
              href: this.does.href(hit.item),
              "aria-label": hit.name,
              title: hit.name,
              onclick: (/** @type {MouseEvent} */ event) => {
                if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                event.preventDefault();
                this.does.onItem(hit.item);
              },
            },
            h("img", {
              src: IndexApi.sized(String(hit.thumbnail), 256),
              alt: "",
              loading: "lazy",
              decoding: "async",
            }),
          );
          return h("li", {}, link);
        }),
      ),
    );
  }

  /** Shows, or hides again, why the hit answers. */
  async #toggleWhy() {
    const button = byId("detail-explain");
    const place = byId("detail-why");
    const isShown = button.getAttribute("aria-pressed") === "true";
    button.setAttribute("aria-pressed", String(!isShown));
    this.#stage?.frame?.querySelector(".heat")?.remove();
    place.replaceChildren();
    if (isShown || !this.#hit) return;
    const { signal } = this.#abort;
    place.replaceChildren(h("p", { class: "quiet" }, "Looking…"));
    try {
      const why = await this.does.api().explain(this.#hit.item, this.#q, signal);
      if (signal.aborted) return;
      place.replaceChildren(this.#why(why));
      if (why.regions && this.#stage?.frame)
        this.#stage.frame.append(heatMap(why.regions.similarities));
      announce("The explanation is shown.");
    } catch (error) {
      if (signal.aborted) return;
      place.replaceChildren();
      button.setAttribute("aria-pressed", "false");
      toast(/** @type {Error} */ (error).message);
    }
  }

  /** @param {any} why the explanation */
  #why(why) {
    const words = why.terms
      .filter((/** @type {any} */ term) => term.wanted)
      .flatMap((/** @type {any} */ term) => term.words);
    const place = why.rank ? `Rank ${why.rank}.` : "Not among the hits.";
    return h(
      "section",
      { class: "side-section" },
      h("h3", {}, "Why"),
      h(
        "p",
        { class: "quiet" },
        place,
        why.regions && this.#stage?.frame ? " Bright places are where the query is seen most." : "",
        words.length > 0 &&
          " Words with a long bar count most, those with a minus against the hit.",
      ),
      words.length > 0 && wordEffects(words),
    );
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inPlayer = event.target instanceof HTMLMediaElement;
    /** @type {Record<string, () => void>} */
    const does = {
      m: () => this.#hit && this.does.onFeedback("more", this.#hit.item),
      l: () => this.#hit && this.does.onFeedback("less", this.#hit.item),
      c: () => this.#hit && copyText(this.#hit.path, "Path"),
      w: () => document.getElementById("detail-explain")?.click(),
    };
    if (!inPlayer) {
      does.ArrowLeft = () => byId("detail-previous").hidden || this.does.onStep(-1);
      does.ArrowRight = () => byId("detail-next").hidden || this.does.onStep(1);
    }
    const { player } = this.#stage ?? {};
    if (player && !inPlayer && !(event.target instanceof HTMLButtonElement)) {
      does[" "] = () => (player.paused ? player.play() : player.pause());
    }
    if (!does[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    does[event.key]();
  }
}

/** Links to the file itself, and to a JPEG of what browsers do not show. @param {Hit} hit */
function originals(hit) {
  if (!hit.media) return [];
  /** @param {string} label @param {string} title @param {string} href */
  const link = (label, title, href) =>
    h(
      "a",
      { class: "button", href, target: "_blank", rel: "noopener", title },
      icon("open"),
      label,
    );
  const media = here(hit.media);
  const isPhoto = hit.thumbnail && !isTimed(hit);
  if (!isPhoto || isShownByBrowsers(hit.path))
    return [link("Original", "Open the file itself", media)];
  return [
    link("As JPEG", "Browsers do not show the file itself", viewable(hit.media, hit.path)),
    link("Download", "Store the file itself", `${media}?download=true`),
  ];
}
