/**
 * What the page shows, as its address says it: going back and forward, reloading and sharing the
 * address all work because nothing else decides.
 */

/**
 * @typedef {object} State
 * @property {string} index the index's name; "" for the server's default
 * @property {"search" | "duplicates"} view
 * @property {string} q the query
 * @property {string} picture id of a file to search by, in query/upload.js; "" for none
 * @property {number[]} more items to find more like
 * @property {number[]} less items to find less like
 * @property {boolean} all also what hardly answers
 * @property {boolean} diverse hits that differ
 * @property {string} match how alike duplicates are
 * @property {number | null} item shown in detail
 */

/** @type {Readonly<State>} */
const START = Object.freeze({
  index: "",
  view: "search",
  q: "",
  picture: "",
  more: [],
  less: [],
  all: false,
  diverse: false,
  match: "near",
  item: null,
});

/** @param {string | null} text */
function ids(text) {
  return (text ?? "")
    .split(",")
    .map(Number)
    .filter((id) => Number.isInteger(id) && id > 0);
}

/** @param {string} search the address's part from the question mark on @returns {State} */
export function parse(search) {
  const from = new URLSearchParams(search);
  return {
    index: from.get("index") ?? "",
    view: from.get("view") === "duplicates" ? "duplicates" : "search",
    q: from.get("q") ?? "",
    picture: from.get("picture") ?? "",
    more: ids(from.get("more")),
    less: ids(from.get("less")),
    all: from.get("all") === "1",
    diverse: from.get("diverse") === "1",
    match: from.get("match") ?? START.match,
    item: ids(from.get("item"))[0] ?? null,
  };
}

/** The address of a state. @param {State} state */
export function address(state) {
  const to = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    const start = /** @type {any} */ (START)[name];
    if (value === start || (Array.isArray(value) && !value.length)) continue;
    to.set(name, value === true ? "1" : String(value));
  }
  const query = to.toString();
  return query ? `?${query}` : location.pathname;
}

/** Changes when the address does; `change` events carry the state before. */
export class Navigation extends EventTarget {
  /** @type {State} */
  state = parse(location.search);

  constructor() {
    super();
    addEventListener("popstate", () => this.#show(parse(location.search)));
    history.scrollRestoration = "manual"; // the grid's rows are not there yet when it would
  }

  /**
   * @param {Partial<State>} changes
   * @param {{replace?: boolean}} [how] whether going back passes over the state before
   */
  go(changes, { replace = false } = {}) {
    const next = { ...this.state, ...changes };
    if (address(next) === address(this.state)) return;
    const { above = 0 } = history.state ?? {};
    const nextAbove = next.item === null ? 0 : replace ? above : above + 1;
    history[replace ? "replaceState" : "pushState"]({ above: nextAbove }, "", address(next));
    this.#show(next);
  }

  /** Back to where nothing is asked, of the same index. */
  startOver() {
    const { index, match } = this.state;
    this.go({ ...START, index, match });
  }

  /** The address of this state with changes, for links. @param {Partial<State>} changes */
  href(changes) {
    return address({ ...this.state, ...changes });
  }

  /** Ends the detail view: back to where it was opened from, over all items seen since. */
  closeItem() {
    const { above = 0 } = history.state ?? {};
    if (above) history.go(-above);
    else this.go({ item: null }, { replace: true });
  }

  /** Keeps where the page is scrolled to, for coming back. @param {number} y */
  keepScroll(y) {
    history.replaceState({ ...history.state, y }, "");
  }

  /** Where the page was scrolled to in this place of its history. */
  get scroll() {
    return history.state?.y ?? 0;
  }

  /** @param {State} next */
  #show(next) {
    const before = this.state;
    this.state = next;
    this.dispatchEvent(new CustomEvent("change", { detail: before }));
  }
}
