/** The indexes of the server, and which of them is shown. */

/** @import {Navigation} from "./navigation.js" */
/** @import {IndexSummary} from "./types.js" */

import { IndexApi, indexes } from "./api.js";
import { byId, h } from "./lib/dom.js";

export class Indexes {
  #choice = /** @type {HTMLSelectElement} */ (byId("index"));
  /** @type {IndexSummary[]} */
  #all = [];

  /** @param {Navigation} navigation */
  constructor(navigation) {
    this.navigation = navigation;
    this.#choice.addEventListener("change", () =>
      navigation.go({ index: this.#choice.value, item: null, more: [], less: [] }),
    );
  }

  /** The index that is shown; undefined before the server has told of it. */
  get shown() {
    const { index } = this.navigation.state;
    const isShown = (/** @type {IndexSummary} */ one) => (index ? one.name === index : one.default);
    return this.#all.find(isShown) ?? (index ? undefined : this.#all[0]);
  }

  /** What to ask the server about the index that is shown. */
  get api() {
    return new IndexApi(this.navigation.state.index || this.shown?.name || "default");
  }

  /** Asks the server which there are. */
  async look() {
    this.#all = (await indexes()).indexes;
  }

  /** Lets one be chosen, where there are several. */
  offer() {
    const { name: shown } = this.api;
    byId("index-choice").hidden = this.#all.length < 2;
    this.#choice.replaceChildren(
      ...this.#all.map(({ name, default: isDefault }) =>
        h("option", { value: isDefault ? "" : name, selected: name === shown }, name),
      ),
    );
  }
}
