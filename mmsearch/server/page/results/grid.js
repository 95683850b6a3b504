/**
 * The grid: of however many hits there are, only rows near the window are in the document.
 *
 * Rows are laid out from the sizes that hits come with. While the page is scrolled fast, rows are
 * shown without loading their pictures, so that the browser does not queue what has gone by.
 */

/** @import {Hit} from "../types.js" */

import { h } from "../lib/dom.js";
import { Justified } from "./justify.js";
import { load, tile, unload } from "./tile.js";

const GAP = 6; // px
const AROUND = 0.75; // windows above and below that are kept in the document
const FAST = 4; // px per ms; scrolled faster, pictures wait
const STILL = 90; // ms without scrolling after which they are loaded
const NEAR_END = 3; // windows before the end at which more hits are asked for

/** How high rows are meant to be, in a grid of this width. @param {number} width */
function target(width) {
  if (width < 480) return 128;
  return width < 1000 ? 180 : 228;
}

export class Grid {
  /** @type {readonly Hit[]} */
  #hits = [];
  /** @type {readonly number[]} */
  #ratios = [];
  #layout = new Justified(0, 1, GAP);
  /** @type {Map<number, HTMLElement>} rows in the document, by number */
  #rows = new Map();
  #current = 0; // the tile that Tab reaches and arrows start from
  #count = -1; // of all hits, where it is known
  #wasAt = 0;
  #wasWhen = 0;
  #settle = 0;
  #frame = 0;
  #top = 0; // of the grid in the document, px

  /**
   * @param {HTMLElement} root
   * @param {object} does
   * @param {(hit: Hit) => string} does.href address of a hit's details
   * @param {(hit: Hit) => void} does.onOpen
   * @param {() => void} does.onNearEnd more hits will be needed
   */
  constructor(root, { href, onOpen, onNearEnd }) {
    this.root = root;
    this.href = href;
    this.onNearEnd = onNearEnd;
    addEventListener("scroll", () => this.#soon(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(root);
    root.addEventListener("click", (event) => {
      const hit = this.#hitOf(event.target);
      if (!hit || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault(); // others open it in a tab of its own
      this.#focusable(this.#positionOf(event.target));
      onOpen(hit);
    });
    root.addEventListener("focusin", (event) => this.#focusable(this.#positionOf(event.target)));
    root.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** Whether there is nothing in it. */
  get isEmpty() {
    return this.#hits.length === 0;
  }

  /**
   * Shows other hits, or more of the same.
   *
   * @param {readonly Hit[]} hits
   * @param {readonly number[]} ratios width to height of each
   * @param {{count: number, fresh: boolean}} how how many there are in all, -1 where that is not
   *   known yet; whether these are others than those before
   */
  show(hits, ratios, { count, fresh }) {
    const hadFocus = !fresh && this.#hasFocus;
    this.#hits = hits;
    this.#ratios = ratios;
    this.#count = count;
    if (fresh) {
      this.#clear();
      this.#current = 0;
      this.#layout = this.#newLayout();
    } else {
      // The last row is filled up, and the count changes.
      const last = this.#layout.rows.length - 1;
      this.#remove(last);
    }
    this.#lay();
    for (const cell of this.root.querySelectorAll(".cell")) {
      cell.setAttribute("aria-setsize", String(count));
    }
    if (hadFocus) this.#focusAgain();
  }

  /** Puts a tile in sight and the focus on it. @param {number} position @param {boolean} [focus] */
  reveal(position, focus = true) {
    if (position < 0 || position >= this.#hits.length) return;
    const row = this.#layout.rows[this.#layout.rowOf(position)];
    const head = /** @type {HTMLElement} */ (document.querySelector(".top"));
    const covered = getComputedStyle(head).position === "sticky" ? head.offsetHeight + GAP : GAP;
    const top = this.#top + row.top;
    if (top < scrollY + covered) scrollTo({ top: top - covered });
    else if (top + row.height > scrollY + innerHeight) {
      scrollTo({ top: top + row.height - innerHeight + GAP });
    }
    this.#update();
    this.#focusable(position);
    if (focus) this.#link(position)?.focus({ preventScroll: true });
  }

  /** Puts the focus on the tile that had it last. */
  focus() {
    this.reveal(Math.min(this.#current, this.#hits.length - 1));
  }

  get #hasFocus() {
    return this.root.contains(document.activeElement);
  }

  /** Gives the focus back to the current tile, whose row was taken out and laid anew. */
  #focusAgain() {
    const row = this.#layout.rowOf(this.#current);
    if (!this.#rows.has(row)) this.#add(row); // out of sight: the focus stays, unscrolled
    this.#link(this.#current)?.focus({ preventScroll: true });
  }

  #newLayout() {
    const width = this.root.clientWidth;
    return new Justified(width, target(width), GAP);
  }

  #lay() {
    this.#layout.extend(this.#ratios);
    this.root.style.height = `${this.#layout.height}px`;
    this.#update();
  }

  #resized() {
    if (this.root.clientWidth === this.#layout.width) return;
    const [first] = this.#layout.between(scrollY - this.#top, scrollY - this.#top + 1);
    const seen = this.#layout.rows[first];
    const into = seen ? scrollY - this.#top - seen.top : 0;
    const hadFocus = this.#hasFocus;
    this.#clear();
    this.#layout = this.#newLayout();
    this.#lay();
    if (hadFocus) this.#focusAgain();
    if (!seen || into < 0) return;
    const row = this.#layout.rows[this.#layout.rowOf(seen.first)];
    scrollTo({ top: this.#top + row.top + into }); // what was on top stays there
  }

  #clear() {
    for (const row of [...this.#rows.keys()]) this.#remove(row);
  }

  #soon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#update();
    });
  }

  #update() {
    const now = performance.now();
    const speed = Math.abs(scrollY - this.#wasAt) / Math.max(1, now - this.#wasWhen);
    this.#wasAt = scrollY;
    this.#wasWhen = now;
    this.#top = this.root.getBoundingClientRect().top + scrollY;

    const above = scrollY - this.#top;
    const [first, end] = this.#layout.between(
      above - AROUND * innerHeight,
      above + (1 + AROUND) * innerHeight,
    );
    const focused = this.#hasFocus ? this.#layout.rowOf(this.#current) : -1;
    for (const row of [...this.#rows.keys()]) {
      if ((row < first || row >= end) && row !== focused) this.#remove(row);
    }
    for (let row = first; row < end; row += 1) if (!this.#rows.has(row)) this.#add(row);

    clearTimeout(this.#settle);
    if (speed < FAST) this.#load();
    else this.#settle = window.setTimeout(() => this.#load(), STILL);
    if (above + (1 + NEAR_END) * innerHeight > this.#layout.height) this.onNearEnd();
  }

  #load() {
    for (const row of this.#rows.values()) for (const cell of row.children) load(cell);
  }

  /** @param {number} number */
  #add(number) {
    const row = this.#layout.rows[number];
    const element = h("div", { class: "row" });
    element.style.transform = `translateY(${row.top}px)`;
    element.style.height = `${row.height}px`;
    for (let i = 0; i < row.count; i += 1) {
      const position = row.first + i;
      const hit = this.#hits[position];
      const width = row.widths[i];
      const cell = tile(hit, {
        position,
        count: this.#count,
        href: this.href(hit),
        width,
        height: row.height,
      });
      cell.style.left = `${row.lefts[i]}px`;
      cell.style.width = `${width}px`;
      element.append(cell);
    }
    // In the order of the hits, which is the order in which Tab and screen readers go.
    let next = null;
    for (const [other, there] of this.#rows) {
      if (other > number && (next === null || other < Number(next.dataset.row))) next = there;
    }
    element.dataset.row = String(number);
    this.root.insertBefore(element, next);
    this.#rows.set(number, element);
    this.#focusable(this.#current);
  }

  /** @param {number} number */
  #remove(number) {
    const row = this.#rows.get(number);
    if (!row) return;
    for (const cell of row.children) unload(cell);
    row.remove();
    this.#rows.delete(number);
  }

  /** Makes a tile the one that Tab reaches. @param {number} position */
  #focusable(position) {
    if (position < 0) return;
    if (position !== this.#current) this.#link(this.#current)?.setAttribute("tabindex", "-1");
    this.#current = position;
    this.#link(position)?.setAttribute("tabindex", "0");
  }

  /** @param {number} position @returns {HTMLElement | null} */
  #link(position) {
    return this.root.querySelector(`[data-position="${position}"]`);
  }

  /** @param {EventTarget | null} target */
  #positionOf(target) {
    const link = /** @type {Element | null} */ (target)?.closest?.("[data-position]");
    return link ? Number(/** @type {HTMLElement} */ (link).dataset.position) : -1;
  }

  /** @param {EventTarget | null} target @returns {Hit | undefined} */
  #hitOf(target) {
    return this.#hits[this.#positionOf(target)];
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.#hits.length - 1;
    const page = Math.max(1, Math.floor(innerHeight / (this.#layout.target + GAP)) - 1);
    /** @type {Record<string, () => number>} */
    const moves = {
      ArrowLeft: () => this.#current - 1,
      ArrowRight: () => this.#current + 1,
      ArrowUp: () => this.#layout.beside(this.#current, -1),
      ArrowDown: () => this.#layout.beside(this.#current, 1),
      PageUp: () => this.#layout.beside(this.#current, -page),
      PageDown: () => this.#layout.beside(this.#current, page),
      Home: () => 0,
      End: () => last,
    };
    const move = moves[event.key];
    if (!move || this.#positionOf(event.target) < 0) return;
    event.preventDefault();
    this.reveal(Math.min(last, Math.max(0, move())));
  }
}
