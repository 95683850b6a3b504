/** The hits of one search, fetched in parts: the first few at once, the others when needed. */

/** @import {Answer, Hit} from "../types.js" */

const PARTS = [100, 400, 1500, 3000, 5000];
const MOST = 10_000;
const PICTURELESS = 1.45; // width to height of what has no picture

/** Width to height of a hit's tile. @param {Hit} hit */
export function ratio(hit) {
  return hit.width && hit.height ? hit.width / hit.height : PICTURELESS;
}

export class HitList {
  /** @type {Hit[]} */
  hits = [];
  /** @type {number[]} width to height of each hit's tile */
  ratios = [];
  /** How many hits hardly answer and are left out, of those that were fetched. */
  hidden = 0;
  /** Whether there are no more. */
  isComplete = false;
  /** @type {Answer | null} the answer with the first part */
  first = null;
  #part = 0;
  #abort = new AbortController();
  /** @type {Promise<void> | null} */
  #loading = null;
  /** @type {Set<number>} */
  #assets = new Set();

  /** @param {(k: number, offset: number, signal: AbortSignal) => Promise<Answer>} fetchPart */
  constructor(fetchPart) {
    this.fetchPart = fetchPart;
  }

  /** Fetches the next part; at most one at a time. */
  more() {
    this.#loading ??= this.#more().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  /** Nobody wants the hits any more. */
  cancel() {
    this.#abort.abort();
    this.#abort = new AbortController(); // who comes back to this search may want more of them
  }

  /** @param {number} item @returns {number} its place; -1 where it is not among the hits yet */
  indexOf(item) {
    return this.hits.findIndex(
      (hit) => hit.item === item || hit.others.some((other) => other.item === item),
    );
  }

  async #more() {
    if (this.isComplete) return;
    const offset = this.#part ? PARTS.slice(0, this.#part).reduce((sum, k) => sum + k, 0) : 0;
    const k = Math.min(PARTS[this.#part], MOST - offset);
    const answer = await this.fetchPart(k, offset, this.#abort.signal);
    this.first ??= answer;
    this.hidden = answer.hidden; // of all ranks so far
    this.#part += 1;
    this.isComplete = answer.hits.length < k || this.#part === PARTS.length || offset + k >= MOST;
    for (const hit of answer.hits) {
      if (this.#assets.has(hit.asset)) continue; // the index changed between two parts
      this.#assets.add(hit.asset);
      this.hits.push(hit);
      this.ratios.push(ratio(hit));
    }
  }
}
