/** The search box: what is typed, how it is understood so far, and where it is wrong. */

/** @import {Understood} from "../types.js" */
/** @import {Span} from "./text.js" */
/** @import {Part} from "./understood.js" */

import { ApiError } from "../api.js";
import { byId, h } from "../lib/dom.js";
import { span } from "./text.js";
import { partsOf } from "./understood.js";

const PAUSE = 150; // ms without a key after which the server is asked

export class SearchBox {
  #input = /** @type {HTMLInputElement} */ (byId("q"));
  #mirror = byId("mirror");
  #problem = byId("problem");
  #timer = 0;
  /** @type {AbortController | null} */
  #asking = null;

  /**
   * @param {object} does
   * @param {(q: string) => void} does.onSearch the query is complete
   * @param {(q: string, parts: Part[]) => void} does.onUnderstood while it is typed
   * @param {(q: string, signal: AbortSignal) => Promise<Understood>} does.understand
   */
  constructor({ onSearch, onUnderstood, understand }) {
    this.onUnderstood = onUnderstood;
    this.understand = understand;
    byId("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#cancel();
      onSearch(this.text);
    });
    byId("clear").addEventListener("click", () => {
      this.text = "";
      this.#cancel();
      onSearch("");
      this.focus();
    });
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("scroll", () => this.#follow());
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#input.blur();
    });
  }

  get text() {
    return this.#input.value;
  }

  set text(text) {
    if (this.#input.value !== text) this.#input.value = text;
    this.#cleared();
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  /**
   * Marks the parts of the query that are no plain words.
   *
   * @param {readonly Part[]} parts
   * @param {readonly string[]} [notices] what may have been meant otherwise
   */
  showParts(parts, notices = []) {
    this.#problem.textContent = notices.join(" ");
    this.#problem.classList.add("is-notice");
    this.#input.removeAttribute("aria-invalid");
    this.#mark(
      parts.flatMap(({ kind, negated, span }) =>
        span && (kind === "filter" || negated) ? [{ span, kind: negated ? "negated" : kind }] : [],
      ),
    );
  }

  /** Underlines what is wrong, and says what. @param {ApiError} error */
  showProblem(error) {
    // What follows draws the same for terminals.
    this.#problem.textContent = error.message
      .split("\n")[0]
      .replace(/ \(character \d+ of the query\)$/u, "");
    this.#problem.classList.remove("is-notice");
    this.#input.setAttribute("aria-invalid", "true");
    const { position, length } = error;
    this.#mark(
      position === null ? [] : [{ span: span(this.text, position, length || 1), kind: "wrong" }],
    );
  }

  /** Scrolls a query that is longer than the field to what is wrong in it. */
  revealProblem() {
    const mark = /** @type {HTMLElement | null} */ (this.#mirror.querySelector(".mark-wrong"));
    if (mark) this.#input.scrollLeft = mark.offsetLeft - this.#input.clientWidth / 3;
  }

  #typed() {
    this.#cleared();
    this.#cancel();
    this.#timer = window.setTimeout(() => this.#ask(), PAUSE);
  }

  #cleared() {
    this.#problem.textContent = "";
    this.#input.removeAttribute("aria-invalid");
    this.#mark([]);
    byId("clear").hidden = !this.text;
  }

  #cancel() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  async #ask() {
    const q = this.text;
    this.#asking = new AbortController();
    if (!q.trim()) {
      this.onUnderstood(q, []);
      return;
    }
    try {
      const understood = await this.understand(q, this.#asking.signal);
      if (this.text !== q) return;
      const parts = partsOf(q, understood);
      this.showParts(parts, understood.notices);
      this.onUnderstood(q, parts);
    } catch (error) {
      // Whether the server is there at all, the search will tell.
      if (error instanceof ApiError && error.position !== null && this.text === q) {
        this.showProblem(error);
      }
    }
  }

  /** @param {{span: Span, kind: string}[]} marks */
  #mark(marks) {
    const text = this.text;
    const pieces = [];
    let at = 0;
    for (const { span, kind } of [...marks].sort((a, b) => a.span.start - b.span.start)) {
      if (span.start < at) continue; // inside another one
      pieces.push(text.slice(at, span.start));
      pieces.push(h("mark", { class: `mark-${kind}` }, text.slice(span.start, span.end)));
      at = span.end;
    }
    this.#mirror.replaceChildren(...pieces, text.slice(at));
    this.#follow();
  }

  #follow() {
    this.#mirror.scrollLeft = this.#input.scrollLeft;
  }
}
