/** The item that the address names: shown in detail, left for the hits beside it, or judged. */

/** @import {Indexes} from "../indexes.js" */
/** @import {Navigation} from "../navigation.js" */
/** @import {Query} from "../query/query.js" */
/** @import {Recovery} from "../recovery.js" */
/** @import {HitList} from "../results/hits.js" */
/** @import {Results} from "../results/results.js" */

import { toast } from "../lib/announce.js";
import { Detail } from "./detail.js";

/** What an item is that was not found, but asked for. */
const NO_HIT = { rank: 0, score: 0, relevance: null, others: [], copies: [] };

/** Searches by nothing but what is given beside it. */
const ALONE = {
  picture: "",
  more: [],
  less: [],
  item: null,
  view: /** @type {const} */ ("search"),
};

export class Opened {
  /**
   * @param {{navigation: Navigation, indexes: Indexes, query: Query, results: Results,
   *   recovery: Recovery}} page
   */
  constructor({ navigation, indexes, query, results, recovery }) {
    this.navigation = navigation;
    this.indexes = indexes;
    this.query = query;
    this.results = results;
    this.recovery = recovery;
    this.detail = new Detail({
      api: () => indexes.api,
      onClose: () => navigation.closeItem(),
      onStep: (by) => this.#step(by),
      onFeedback: (kind, item) => this.#feedback(kind, item),
      onFilter: (filter) => navigation.go({ ...ALONE, q: filter }),
      href: (item) => navigation.href({ item }),
      onItem: (item) => navigation.go({ item }),
    });
  }

  /** Shows the item of the address, or none. */
  async show() {
    const { item } = this.navigation.state;
    const { list } = this.results;
    if (item !== null && list) {
      await this.recovery.attempt(() => this.#open(item, list));
      return;
    }
    const wasOpen = this.detail.isOpen;
    this.detail.close();
    if (wasOpen) this.results.focus();
  }

  close() {
    this.detail.close();
  }

  /** @param {number} item @param {HitList} list of hits that it may be one of */
  async #open(item, list) {
    const { state } = this.navigation;
    const at = list.indexOf(item);
    const hit = at < 0 ? { ...NO_HIT, ...(await this.indexes.api.item(item)) } : list.hits[at];
    if (this.navigation.state !== state) return;
    this.detail.show(hit, {
      q: this.query.isExplained ? state.q : "",
      hasPrevious: at > 0,
      hasNext: at >= 0 && (at < list.hits.length - 1 || !list.isComplete),
    });
    if (at >= 0) this.results.reveal(at);
  }

  /** @param {-1 | 1} by */
  async #step(by) {
    const { item } = this.navigation.state;
    const { list } = this.results;
    if (!list || item === null) return;
    const next = list.indexOf(item) + by;
    if (next >= list.hits.length) await this.results.more();
    const hit = list.hits[next];
    if (hit) this.navigation.go({ item: hit.item }, { replace: true });
  }

  /** @param {"more" | "less"} kind @param {number} item */
  #feedback(kind, item) {
    const { more, less } = this.navigation.state;
    const others = {
      more: more.filter((one) => one !== item),
      less: less.filter((one) => one !== item),
    };
    this.navigation.go({ ...others, [kind]: [...others[kind], item], item: null });
    scrollTo({ top: 0 });
    toast(
      kind === "more"
        ? "Looking for more like it."
        : "It is left out, and what is like it comes later.",
    );
  }
}
