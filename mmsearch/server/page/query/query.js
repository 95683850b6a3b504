/** What is searched for, as the page shows it: in the box, as chips, in the menus of filters. */

/** @import {ApiError} from "../api.js" */
/** @import {Indexes} from "../indexes.js" */
/** @import {Navigation} from "../navigation.js" */
/** @import {Understood} from "../types.js" */
/** @import {Part} from "./understood.js" */

import { byId } from "../lib/dom.js";
import { isStart } from "../results/search.js";
import { SearchBox } from "./box.js";
import { showChips } from "./chips.js";
import { FacetMenus } from "./facets.js";
import { without } from "./text.js";
import { partsOf } from "./understood.js";
import { preview, recallFile } from "./upload.js";

export class Query {
  /** @type {Part[]} of the search whose hits are shown */
  #parts = [];

  /**
   * @param {object} page
   * @param {Navigation} page.navigation
   * @param {Indexes} page.indexes
   * @param {() => Promise<void>} page.settled when the search that is going on has been answered
   */
  constructor({ navigation, indexes, settled }) {
    this.navigation = navigation;
    this.indexes = indexes;
    this.box = new SearchBox({
      onSearch: (q) => navigation.go({ q: q.trim(), item: null, view: "search" }),
      onUnderstood: (q, parts) => this.#showTyped(q, parts),
      understand: (q, signal) => indexes.api.understand(q, signal),
    });
    this.facets = new FacetMenus({
      api: () => indexes.api,
      settled,
      onChange: (q) => navigation.go({ q, view: "search" }),
    });
  }

  /** Whether words say what is wanted, so that hits can be explained by them. */
  get isExplained() {
    const hasTerms = this.#parts.some((part) => part.kind === "term" && !part.negated);
    return hasTerms && !this.navigation.state.picture;
  }

  /** Whether filters narrow it. */
  get isFiltered() {
    return this.#parts.some((part) => part.kind === "filter");
  }

  /** The query without its filters. */
  get unfiltered() {
    return this.#parts
      .flatMap((part) => (part.kind === "filter" && part.span ? part.span : []))
      .sort((a, b) => b.start - a.start)
      .reduce((q, cut) => without(q, cut), this.navigation.state.q);
  }

  focus() {
    this.box.focus();
  }

  /** Has the box say what the address says. */
  write() {
    const { q } = this.navigation.state;
    if (this.box.text.trim() !== q) this.box.text = q;
  }

  /** Shows the file that is searched by, before there is an answer. @param {File} file */
  showFile(file) {
    this.#showChips(this.navigation.state.q, this.#parts, file);
  }

  /** Shows that the file which is searched by is not there. */
  showNoFile() {
    this.#showChips(this.navigation.state.q, [], null);
  }

  /**
   * Shows what the server has made of the query.
   *
   * @param {Understood | null | undefined} understood
   * @param {File | null} file that is searched by
   */
  show(understood, file) {
    const { state } = this.navigation;
    this.#parts = isStart(state) ? [] : partsOf(state.q, understood);
    this.box.showParts(this.#parts, understood?.notices);
    this.#showChips(state.q, this.#parts, file);
    this.facets.show(state.q, this.#parts);
  }

  /** Shows where the query is wrong. @param {ApiError} error */
  showProblem(error) {
    this.box.showProblem(error);
    this.box.revealProblem();
  }

  /** Shows what is understood of what is typed. @param {string} q @param {readonly Part[]} parts */
  async #showTyped(q, parts) {
    this.#showChips(q, parts, await recallFile(this.navigation.state.picture));
  }

  /** @param {string} q @param {readonly Part[]} parts @param {File | null} file */
  #showChips(q, parts, file) {
    showChips(
      byId("chips"),
      {
        q,
        parts,
        file,
        preview: file && preview(file),
        state: this.navigation.state,
        thumbnail: (item) => this.indexes.api.url(`items/${item}/thumbnail`, { size: 128 }),
      },
      (changes) => this.navigation.go(changes),
    );
  }
}
