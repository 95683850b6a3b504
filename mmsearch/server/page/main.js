/** The page: puts the parts together, and shows what its address says. */

/** @import {State} from "./navigation.js" */
/** @import {IndexSummary} from "./types.js" */
/** @import {Part} from "./query/understood.js" */

import { ApiError, IndexApi, indexes } from "./api.js";
import { Detail } from "./detail/detail.js";
import { Duplicates } from "./duplicates.js";
import { Jobs } from "./jobs.js";
import { listenForKeys } from "./keyboard.js";
import { announce, toast } from "./lib/announce.js";
import { byId, h } from "./lib/dom.js";
import { Navigation } from "./navigation.js";
import { SearchBox } from "./query/box.js";
import { showChips } from "./query/chips.js";
import { listenForFiles } from "./query/drop.js";
import { FacetMenus } from "./query/facets.js";
import { without } from "./query/text.js";
import { partsOf } from "./query/understood.js";
import { preview, recallFile, take } from "./query/upload.js";
import { Recovery } from "./recovery.js";
import { Grid } from "./results/grid.js";
import { HitList } from "./results/hits.js";
import * as messages from "./results/messages.js";
import { isStart, searchKey, Searches } from "./results/search.js";
import { found, showSummary } from "./results/summary.js";
import { nextTheme, setUpMenu } from "./settings.js";

const SLOW = 150; // ms after which it is seen that a search is going on
const SCROLLED = 200; // ms after scrolling in which its place is kept

class Page {
  #navigation = new Navigation();
  #searches = new Searches();
  /** @type {IndexSummary[]} */
  #indexes = [];
  /** @type {HitList | null} */
  #list = null;
  /** @type {Part[]} */
  #parts = [];
  #shown = ""; // key of the search whose hits are shown
  #slow = 0; // shows after a while that a search is going on
  /** @type {Promise<void>} */
  #searching = Promise.resolve();
  #recovery = new Recovery({
    again: () => this.#again(),
    onFailed: (error) => this.#failed(error),
  });

  #box = new SearchBox({
    onSearch: (q) => this.#navigation.go({ q: q.trim(), item: null, view: "search" }),
    onUnderstood: (q, parts) => this.#showQuery(q, parts),
    understand: (q, signal) => this.#api.understand(q, signal),
  });
  #grid = new Grid(byId("grid"), {
    href: (hit) => this.#navigation.href({ item: hit.item }),
    onOpen: (hit) => this.#navigation.go({ item: hit.item }),
    onNearEnd: () => this.#more(),
  });
  #facets = new FacetMenus({
    api: () => this.#api,
    settled: () => this.#searching,
    onChange: (q) => this.#navigation.go({ q, view: "search" }),
  });
  #jobs = new Jobs(
    () => this.#api,
    () => this.#refresh(),
  );
  #duplicates = new Duplicates({
    onMatch: (match) => this.#navigation.go({ match }, { replace: true }),
    onClose: () => this.#navigation.go({ view: "search" }),
  });
  #detail = new Detail({
    api: () => this.#api,
    onClose: () => this.#navigation.closeItem(),
    onStep: (by) => this.#step(by),
    onFeedback: (kind, item) => this.#feedback(kind, item),
    onFilter: (filter) =>
      this.#navigation.go({
        q: filter,
        picture: "",
        more: [],
        less: [],
        item: null,
        view: "search",
      }),
    href: (item) => this.#navigation.href({ item }),
    onItem: (item) => this.#navigation.go({ item }),
  });

  get #state() {
    return this.#navigation.state;
  }

  get #api() {
    return new IndexApi(this.#state.index || this.#index?.name || "default");
  }

  /** The index that is shown; undefined before the server has told of it. */
  get #index() {
    const { index } = this.#state;
    const isShown = (/** @type {IndexSummary} */ one) => (index ? one.name === index : one.default);
    return this.#indexes.find(isShown) ?? (index ? undefined : this.#indexes[0]);
  }

  start() {
    this.#navigation.addEventListener("change", (event) =>
      this.#show(/** @type {CustomEvent<State>} */ (event).detail),
    );
    setUpMenu({
      onUpdate: () => this.#jobs.update(),
      onDuplicates: () => this.#navigation.go({ view: "duplicates", item: null }),
      onHelp: () => this.#help(),
    });
    listenForFiles(
      (file) => this.#searchBy(file),
      (why) => toast(why),
    );
    listenForKeys({
      "/": () => this.#box.focus(),
      "?": () => this.#help(),
      a: () => isStart(this.#state) || this.#navigation.go({ all: !this.#state.all }),
      d: () =>
        this.#navigation.go({ view: this.#state.view === "search" ? "duplicates" : "search" }),
      v: () => this.#toggleDiverse(),
      t: () => toast(`Colours: ${nextTheme()}.`),
      ArrowDown: () => (this.#grid.isEmpty ? undefined : this.#grid.focus()),
    });
    byId("diverse").addEventListener("click", () => this.#toggleDiverse());
    byId("home").addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.#navigation.go({
        q: "",
        picture: "",
        more: [],
        less: [],
        all: false,
        diverse: false,
        view: "search",
        item: null,
      });
    });
    byId("index").addEventListener("change", (event) => {
      const index = /** @type {HTMLSelectElement} */ (event.target).value;
      this.#navigation.go({ index, item: null, more: [], less: [] });
    });
    byId("help").addEventListener("click", (event) => {
      if (event.target === event.currentTarget) this.#helpDialog.close(); // beside it
    });
    let scrolled = 0;
    addEventListener(
      "scroll",
      () => {
        clearTimeout(scrolled);
        scrolled = window.setTimeout(() => this.#navigation.keepScroll(scrollY), SCROLLED);
      },
      { passive: true },
    );
    this.#begin();
  }

  async #begin() {
    await this.#recovery.attempt(async () => {
      this.#indexes = (await indexes()).indexes;
      this.#showIndexes();
      await this.#show(null);
      this.#jobs.look();
    });
  }

  /** Shows the state. @param {State | null} before null for the first time */
  async #show(before) {
    const state = this.#state;
    const isReview = state.view === "duplicates";
    for (const id of ["grid", "tools", "end"]) byId(id).hidden = isReview;
    byId("duplicates").hidden = !isReview;
    byId("diverse").setAttribute("aria-pressed", String(state.diverse));
    byId("diverse").hidden = isStart(state);
    if (before && before.index !== state.index) {
      this.#showIndexes();
      this.#jobs.look();
    }
    if (isReview) {
      this.#detail.close();
      this.#shown = "";
      this.#busy(false);
      byId("message").replaceChildren();
      await this.#recovery.attempt(() => this.#duplicates.show(this.#api, state));
      return;
    }
    this.#duplicates.leave();
    if (this.#shown !== searchKey(state)) await (this.#searching = this.#search());
    if (state === this.#state) await this.#showItem();
  }

  async #search() {
    const state = this.#state;
    this.#shown = searchKey(state);
    document.title = state.q ? `${state.q} · mmsearch` : "mmsearch";
    byId("heading").textContent = isStart(state) ? "Everything, the newest first" : "Hits";
    if (this.#box.text.trim() !== state.q) this.#box.text = state.q;
    this.#list?.cancel();
    this.#list = this.#searches.list(state, this.#api);
    const list = this.#list;
    const isOther = () =>
      this.#list !== list || (this.#state !== state && searchKey(this.#state) !== this.#shown);
    this.#busy(true);
    const file = await recallFile(state.picture);
    if (isOther()) return;
    if (state.picture && !file) {
      this.#showQuery(state.q, []);
      this.#empty(messages.pictureForgotten(() => this.#navigation.go({ picture: "" })));
      return;
    }
    if (file) this.#chips(state.q, this.#parts, file);
    await this.#recovery.attempt(async () => {
      try {
        if (!list.first) await list.more();
        while (
          this.#navigation.scroll > innerHeight &&
          !list.isComplete &&
          tall(list) < this.#navigation.scroll
        )
          await list.more();
      } catch (error) {
        if (isOther()) return;
        this.#searches.forget();
        throw error;
      } finally {
        if (!isOther()) this.#busy(false);
      }
      if (isOther()) return;
      if (list.first?.heard) {
        this.#heard(list.first.heard);
        return;
      }
      this.#parts = isStart(state) ? [] : partsOf(state.q, list.first?.understood);
      this.#box.showParts(this.#parts, list.first?.understood?.notices);
      this.#chips(state.q, this.#parts, file);
      this.#facets.show(state.q, this.#parts);
      this.#showHits(list);
    });
  }

  /** What a recording says is the query: to be seen, mended, filtered, and gone back to. @param {string} said */
  #heard(said) {
    this.#navigation.go({ q: said, picture: "" }, { replace: true });
    toast(`Heard: “${said}”`);
  }

  /** @param {HitList} list */
  #showHits(list) {
    const state = this.#state;
    byId("message").replaceChildren();
    if (!list.hits.length) {
      if (isStart(state) || this.#index?.assets === 0)
        this.#empty(messages.nothingIndexed(this.#api.name));
      else if (list.hidden)
        this.#empty(messages.nothingAnswers(list.hidden, () => this.#navigation.go({ all: true })));
      else {
        const rest = this.#parts.filter((part) => part.kind !== "filter");
        const isFiltered = rest.length < this.#parts.length;
        this.#empty(
          messages.noHits(isFiltered, () => this.#navigation.go({ q: this.#unfiltered() })),
        );
      }
      return;
    }
    this.#grid.show(list.hits, list.ratios, {
      count: list.isComplete ? list.hits.length : -1,
      fresh: true,
    });
    scrollTo({ top: this.#navigation.scroll });
    this.#summary(list);
    announce(`${found(list, state)}${isStart(state) ? ", the newest first" : ""}.`);
  }

  /** @param {HitList} list */
  #summary(list) {
    showSummary(list, this.#state, (all) => this.#navigation.go({ all }));
  }

  async #more() {
    const list = this.#list;
    if (!list || list.isComplete || !list.hits.length) return;
    try {
      await list.more();
    } catch (error) {
      if (error instanceof ApiError) toast(error.message.split("\n")[0]);
      return;
    }
    if (list !== this.#list || this.#grid.isEmpty) return;
    this.#grid.show(list.hits, list.ratios, {
      count: list.isComplete ? list.hits.length : -1,
      fresh: false,
    });
    this.#summary(list);
  }

  /** @param {HTMLElement} message */
  #empty(message) {
    this.#busy(false);
    this.#grid.show([], [], { count: 0, fresh: true });
    byId("end").hidden = true;
    byId("summary").textContent = "";
    byId("message").replaceChildren(message);
    announce(message.textContent ?? "");
  }

  /** @param {ApiError} error */
  #failed(error) {
    if (error.position !== null) this.#box.showProblem(error);
    this.#shown = "";
    this.#empty(messages.failed(error, () => this.#again()));
  }

  /** Shows everything anew. */
  async #again() {
    this.#shown = "";
    this.#searches.forget();
    await this.#begin();
  }

  /** The index has changed. */
  #refresh() {
    this.#searches.forget();
    this.#shown = "";
    this.#recovery.attempt(async () => {
      this.#indexes = (await indexes()).indexes;
      await this.#show(null);
    });
  }

  #showIndexes() {
    const select = /** @type {HTMLSelectElement} */ (byId("index"));
    byId("index-choice").hidden = this.#indexes.length < 2;
    select.replaceChildren(
      ...this.#indexes.map(({ name, default: isDefault }) =>
        h("option", { value: isDefault ? "" : name, selected: name === this.#api.name }, name),
      ),
    );
  }

  /** What is understood of what is typed. @param {string} q @param {Part[]} parts */
  async #showQuery(q, parts) {
    this.#chips(q, parts, await recallFile(this.#state.picture));
  }

  /** @param {string} q @param {readonly Part[]} parts @param {File | null} file */
  #chips(q, parts, file) {
    showChips(
      byId("chips"),
      {
        q,
        parts,
        file,
        preview: file && preview(file),
        state: this.#state,
        thumbnail: (item) => this.#api.url(`items/${item}/thumbnail`, { size: 128 }),
      },
      (changes) => this.#navigation.go(changes),
    );
  }

  /** The query without its filters. */
  #unfiltered() {
    return this.#parts
      .flatMap((part) => (part.kind === "filter" && part.span ? part.span : []))
      .sort((a, b) => b.start - a.start)
      .reduce((q, cut) => without(q, cut), this.#state.q);
  }

  /** @param {File} file */
  async #searchBy(file) {
    this.#navigation.go({ picture: await take(file), item: null, view: "search" });
  }

  #toggleDiverse() {
    if (!isStart(this.#state)) this.#navigation.go({ diverse: !this.#state.diverse });
  }

  /** Shows the item of the state, or none. */
  async #showItem() {
    const state = this.#state;
    const list = this.#list;
    if (state.item === null || !list) {
      const wasOpen = this.#detail.isOpen;
      this.#detail.close();
      if (wasOpen && !this.#grid.isEmpty) this.#grid.focus();
      return;
    }
    const { item } = state;
    const at = list.indexOf(item);
    await this.#recovery.attempt(async () => {
      const hit = at < 0 ? { ...NO_HIT, ...(await this.#api.item(item)) } : list.hits[at];
      if (this.#state !== state) return;
      const isExplained =
        !state.picture && this.#parts.some((part) => part.kind === "term" && !part.negated);
      this.#detail.show(hit, {
        q: isExplained ? state.q : "",
        hasPrevious: at > 0,
        hasNext: at >= 0 && (at < list.hits.length - 1 || !list.isComplete),
      });
      if (at >= 0) this.#grid.reveal(at, false);
    });
  }

  /** @param {-1 | 1} by */
  async #step(by) {
    const list = this.#list;
    if (!list || this.#state.item === null) return;
    const next = list.indexOf(this.#state.item) + by;
    if (next >= list.hits.length) await this.#more();
    const hit = list.hits[next];
    if (hit) this.#navigation.go({ item: hit.item }, { replace: true });
  }

  /** @param {"more" | "less"} kind @param {number} item */
  #feedback(kind, item) {
    const { more, less } = this.#state;
    const others = {
      more: more.filter((one) => one !== item),
      less: less.filter((one) => one !== item),
    };
    this.#navigation.go({ ...others, [kind]: [...others[kind], item], item: null });
    scrollTo({ top: 0 });
    toast(
      kind === "more"
        ? "Looking for more like it."
        : "It is left out, and what is like it comes later.",
    );
  }

  /** Tells that a search is going on: at once, but nothing is seen of one that is quick. @param {boolean} isBusy */
  #busy(isBusy) {
    byId("main").setAttribute("aria-busy", String(isBusy));
    clearTimeout(this.#slow);
    if (!isBusy) byId("busy").hidden = true;
    else this.#slow = window.setTimeout(() => (byId("busy").hidden = false), SLOW);
  }

  get #helpDialog() {
    return /** @type {HTMLDialogElement} */ (byId("help"));
  }

  #help() {
    if (this.#helpDialog.open) this.#helpDialog.close();
    else this.#helpDialog.showModal();
  }
}

/** What an item is that was not found, but asked for. */
const NO_HIT = { rank: 0, score: 0, relevance: null, others: [], copies: [] };

/** About how high the grid of a list is, in pixels: less rather than more. @param {HitList} list */
function tall(list) {
  const area = list.ratios.reduce((sum, one) => sum + one, 0) * 128 * 128;
  return area / innerWidth;
}

new Page().start();
