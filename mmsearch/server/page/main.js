/** The page: puts the parts together, and shows what its address says. */

/** @import {State} from "./navigation.js" */

import { Opened } from "./detail/opened.js";
import { Duplicates } from "./duplicates.js";
import { setUpHelp, toggleHelp } from "./help.js";
import { Indexes } from "./indexes.js";
import { Jobs } from "./jobs.js";
import { listenForKeys } from "./keyboard.js";
import { toast } from "./lib/announce.js";
import { byId } from "./lib/dom.js";
import { Navigation } from "./navigation.js";
import { listenForFiles } from "./query/drop.js";
import { Query } from "./query/query.js";
import { take } from "./query/upload.js";
import { Recovery } from "./recovery.js";
import { Results } from "./results/results.js";
import { isStart } from "./results/search.js";
import { nextTheme, setUpMenu } from "./settings.js";

const SCROLLED = 200; // ms after scrolling in which its place is kept

class Page {
  navigation = new Navigation();
  indexes = new Indexes(this.navigation);
  recovery = new Recovery({
    again: () => this.#again(),
    onFailed: (error) => this.results.fail(error, () => this.#again()),
  });
  query = new Query({
    navigation: this.navigation,
    indexes: this.indexes,
    settled: () => this.results.settled,
  });
  /** @type {Results} what it is made of speaks of it */
  results = new Results(this);
  opened = new Opened(this);
  jobs = new Jobs(
    () => this.indexes.api,
    () => this.#refresh(),
  );
  duplicates = new Duplicates({
    onMatch: (match) => this.navigation.go({ match }, { replace: true }),
    onClose: () => this.navigation.go({ view: "search" }),
  });

  start() {
    this.navigation.addEventListener("change", (event) =>
      this.#show(/** @type {CustomEvent<State>} */ (event).detail),
    );
    setUpHelp();
    setUpMenu({
      onUpdate: () => this.jobs.update(),
      onDuplicates: () => this.navigation.go({ view: "duplicates", item: null }),
      onHelp: toggleHelp,
    });
    listenForFiles(
      (file) => this.#searchBy(file),
      (why) => toast(why),
    );
    this.#listenForKeys();
    byId("diverse").addEventListener("click", () => this.#toggle("diverse"));
    byId("home").addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.navigation.startOver();
    });
    this.#keepScroll();
    this.#begin();
  }

  #listenForKeys() {
    const { navigation } = this;
    listenForKeys({
      "/": () => this.query.focus(),
      "?": toggleHelp,
      a: () => this.#toggle("all"),
      d: () =>
        navigation.go({ view: navigation.state.view === "search" ? "duplicates" : "search" }),
      v: () => this.#toggle("diverse"),
      t: () => toast(`Colours: ${nextTheme()}.`),
      ArrowDown: () => this.results.focus(),
    });
  }

  #keepScroll() {
    let timer = 0;
    const scrolled = () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => this.navigation.keepScroll(scrollY), SCROLLED);
    };
    addEventListener("scroll", scrolled, { passive: true });
  }

  async #begin() {
    await this.recovery.attempt(async () => {
      await this.indexes.look();
      this.indexes.offer();
      await this.#show(null);
      this.jobs.look();
    });
  }

  /** Shows everything anew. */
  async #again() {
    this.results.forget();
    await this.#begin();
  }

  /** The index has changed. */
  #refresh() {
    this.results.forget();
    this.recovery.attempt(async () => {
      await this.indexes.look();
      await this.#show(null);
    });
  }

  /** Shows the state. @param {State | null} before null for the first time */
  async #show(before) {
    const { state } = this.navigation;
    const isReview = state.view === "duplicates";
    for (const id of ["grid", "tools", "end"]) byId(id).hidden = isReview;
    byId("duplicates").hidden = !isReview;
    byId("diverse").setAttribute("aria-pressed", String(state.diverse));
    byId("diverse").hidden = isStart(state);
    if (before && before.index !== state.index) {
      this.indexes.offer();
      this.jobs.look();
    }
    if (isReview) {
      this.opened.close();
      this.results.leave();
      await this.recovery.attempt(() => this.duplicates.show(this.indexes.api, state));
      return;
    }
    this.duplicates.leave();
    if (!this.results.areShown) await this.results.search();
    if (state === this.navigation.state) await this.opened.show();
  }

  /** @param {File} file */
  async #searchBy(file) {
    this.navigation.go({ picture: await take(file), item: null, view: "search" });
  }

  /** Shows hits in another way, where there is a search. @param {"all" | "diverse"} way */
  #toggle(way) {
    const { state } = this.navigation;
    if (!isStart(state)) this.navigation.go({ [way]: !state[way] });
  }
}

new Page().start();
