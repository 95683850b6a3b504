/** What a search finds: its hits in the grid and how many they are, or why there are none. */

/** @import {Indexes} from "../indexes.js" */
/** @import {Navigation} from "../navigation.js" */
/** @import {Query} from "../query/query.js" */
/** @import {Recovery} from "../recovery.js" */
/** @import {HitList} from "./hits.js" */

import { ApiError } from "../api.js";
import { announce, toast } from "../lib/announce.js";
import { byId } from "../lib/dom.js";
import { recallFile } from "../query/upload.js";
import { showBusy } from "./busy.js";
import { Grid } from "./grid.js";
import * as messages from "./messages.js";
import { isStart, searchKey, Searches } from "./search.js";
import { found, showSummary } from "./summary.js";

export class Results {
  #searches = new Searches();
  #shown = ""; // key of the search whose hits are shown, or will be

  /** @param {{navigation: Navigation, indexes: Indexes, query: Query, recovery: Recovery}} page */
  constructor({ navigation, indexes, query, recovery }) {
    this.navigation = navigation;
    this.indexes = indexes;
    this.query = query;
    this.recovery = recovery;
    /** @type {HitList | null} */
    this.list = null;
    /** When the search that is going on has been answered. */
    this.settled = Promise.resolve();
    this.grid = new Grid(byId("grid"), {
      href: (hit) => navigation.href({ item: hit.item }),
      onOpen: (hit) => navigation.go({ item: hit.item }),
      onNearEnd: () => this.more(),
    });
  }

  /** Puts the focus on a hit, where there are any. */
  focus() {
    if (!this.grid.isEmpty) this.grid.focus();
  }

  /** Puts a hit in sight. @param {number} at its place in the list */
  reveal(at) {
    this.grid.reveal(at, false);
  }

  /** Whether the hits of the address are shown, or will be. */
  get areShown() {
    return this.#shown === searchKey(this.navigation.state);
  }

  /** Searches for what the address says. */
  search() {
    this.settled = this.#search();
    return this.settled;
  }

  /** Fetches and shows more of the hits. */
  async more() {
    const { list } = this;
    if (!list || list.isComplete || !list.hits.length) return;
    try {
      await list.more();
    } catch (error) {
      if (error instanceof ApiError) toast(error.message.split("\n")[0]);
      return;
    }
    if (list !== this.list || this.grid.isEmpty) return;
    this.#lay(list, false);
  }

  /** Something else is shown in their place. */
  leave() {
    this.#shown = "";
    showBusy(false);
    byId("message").replaceChildren();
  }

  /** Forgets all hits: they may be others now. */
  forget() {
    this.#shown = "";
    this.#searches.forget();
  }

  /** Tells what is wrong. @param {ApiError} error @param {() => void} onRetry */
  fail(error, onRetry) {
    if (error.position !== null) this.query.showProblem(error);
    this.#shown = "";
    this.#tell(messages.failed(error, onRetry));
  }

  async #search() {
    const { state } = this.navigation;
    this.#shown = searchKey(state);
    document.title = state.q ? `${state.q} · mmsearch` : "mmsearch";
    byId("heading").textContent = isStart(state) ? "Everything, the newest first" : "Hits";
    this.query.write();
    this.list?.cancel();
    const list = this.#searches.list(state, this.indexes.api);
    this.list = list;
    const isOther = () => this.list !== list || (this.navigation.state !== state && !this.areShown);
    showBusy(true);
    const file = await recallFile(state.picture);
    if (isOther()) return;
    if (state.picture && !file) {
      this.query.showNoFile();
      this.#tell(messages.pictureForgotten(() => this.navigation.go({ picture: "" })));
      return;
    }
    if (file) this.query.showFile(file);
    await this.recovery.attempt(async () => {
      await this.#fetch(list, isOther);
      if (isOther()) return;
      const { heard, understood } = list.first ?? {};
      if (heard) {
        this.#hear(heard);
        return;
      }
      this.query.show(understood, file);
      this.#showHits(list);
    });
  }

  /**
   * Fetches the first hits, and all those above the place that the page was scrolled to.
   *
   * @param {HitList} list
   * @param {() => boolean} isOther whether others are wanted meanwhile
   */
  async #fetch(list, isOther) {
    const isShort = () => !list.isComplete && tall(list) < this.navigation.scroll;
    try {
      if (!list.first) await list.more();
      while (this.navigation.scroll > innerHeight && isShort()) await list.more();
    } catch (error) {
      if (isOther()) return;
      this.#searches.forget();
      throw error;
    } finally {
      if (!isOther()) showBusy(false);
    }
  }

  /** What a recording says is the query: to be seen, mended, filtered, and gone back to. @param {string} said */
  #hear(said) {
    this.navigation.go({ q: said, picture: "" }, { replace: true });
    toast(`Heard: “${said}”`);
  }

  /** @param {HitList} list */
  #showHits(list) {
    const { state } = this.navigation;
    byId("message").replaceChildren();
    if (!list.hits.length) {
      this.#tell(this.#whyNone(list));
      return;
    }
    this.#lay(list, true);
    announce(`${found(list, state)}${isStart(state) ? ", the newest first" : ""}.`);
  }

  /** @param {HitList} list @param {boolean} isFresh whether other hits than these were shown */
  #lay(list, isFresh) {
    const { navigation } = this;
    const count = list.isComplete ? list.hits.length : -1;
    this.grid.show(list.hits, list.ratios, { count, fresh: isFresh });
    if (isFresh) scrollTo({ top: navigation.scroll });
    showSummary(list, navigation.state, (all) => navigation.go({ all }));
  }

  /** @param {HitList} list without hits */
  #whyNone(list) {
    const { indexes, navigation, query } = this;
    if (isStart(navigation.state) || indexes.shown?.assets === 0)
      return messages.nothingIndexed(indexes.shown?.path ?? indexes.api.name);
    if (list.hidden)
      return messages.nothingAnswers(list.hidden, () => navigation.go({ all: true }));
    return messages.noHits(query.isFiltered, () => navigation.go({ q: query.unfiltered }));
  }

  /** Shows a message in the place of hits. @param {HTMLElement} message */
  #tell(message) {
    showBusy(false);
    this.grid.show([], [], { count: 0, fresh: true });
    byId("end").hidden = true;
    byId("summary").textContent = "";
    byId("message").replaceChildren(message);
    announce(message.textContent ?? "");
  }
}

/** About how high the grid of a list is, in pixels: less rather than more. @param {HitList} list */
function tall(list) {
  const area = list.ratios.reduce((sum, one) => sum + one, 0) * 128 * 128;
  return area / innerWidth;
}
