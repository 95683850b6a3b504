/**
 * Rows of pictures that fill the width, each with one height: the layout of the grid.
 *
 * It needs the pictures' sizes alone, so that every row has its place before anything is loaded.
 */

/**
 * @typedef {object} Row
 * @property {number} first number of the row's first tile
 * @property {number} count of its tiles
 * @property {number} top in pixels
 * @property {number} height in pixels
 * @property {number[]} lefts in pixels, one a tile
 * @property {number[]} widths likewise
 */

const NARROWEST = 0.5; // width to height; what is beyond is cut at its edges
const WIDEST = 3;

/** The width to height that a tile is given. @param {number} ratio */
export function bounded(ratio) {
  return Math.min(WIDEST, Math.max(NARROWEST, ratio));
}

/** Lays out tiles in rows, more of them whenever there are more. */
export class Justified {
  /** @type {Row[]} */
  rows = [];

  /**
   * @param {number} width of the grid, in pixels
   * @param {number} target height of a row, in pixels
   * @param {number} gap between tiles, in pixels
   */
  constructor(width, target, gap) {
    this.width = width;
    this.target = target;
    this.gap = gap;
  }

  /** Height of all rows, in pixels. */
  get height() {
    const last = this.rows.at(-1);
    return last ? last.top + last.height : 0;
  }

  /**
   * Lays out the tiles that were not laid out yet; the last row is filled up first.
   *
   * @param {readonly number[]} ratios width to height of all tiles
   */
  extend(ratios) {
    const open = this.rows.pop(); // it was ended by the end of the list, not by its width
    let first = open ? open.first : 0;
    let sum = 0;
    for (let i = first; i < ratios.length; i += 1) {
      const ratio = bounded(ratios[i]);
      const count = i - first; // of the tiles before this one
      const full = (this.width - this.gap * count) / (sum + ratio);
      sum += ratio;
      if (full > this.target) continue;
      // With this tile or without it, whichever comes closer to the height that is aimed at.
      const less = (this.width - this.gap * (count - 1)) / (sum - ratio);
      if (count && less - this.target < this.target - full) {
        this.#push(ratios, first, count, less);
        first = i;
        i -= 1; // it begins the next row
      } else {
        this.#push(ratios, first, count + 1, full);
        first = i + 1;
      }
      sum = 0;
    }
    const left = ratios.length - first;
    if (left > 0) {
      const full = (this.width - this.gap * (left - 1)) / sum;
      this.#push(ratios, first, left, Math.min(full, this.target));
    }
  }

  /** Numbers of the rows that touch a stretch; the first, and one past the last.
   *
   * @param {number} from in pixels
   * @param {number} to in pixels
   * @returns {[number, number]}
   */
  between(from, to) {
    return [this.#after(from, (row) => row.top + row.height), this.#after(to, (row) => row.top)];
  }

  /** Number of the row that holds a tile. @param {number} tile */
  rowOf(tile) {
    let low = 0;
    let high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rows[middle].first <= tile) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /**
   * The tile in another row that is closest to a tile's middle.
   *
   * @param {number} tile
   * @param {number} rows how many rows below; above where it is negative
   */
  beside(tile, rows) {
    const at = this.rowOf(tile);
    const from = this.rows[at];
    const to = this.rows[Math.min(this.rows.length - 1, Math.max(0, at + rows))];
    if (to === from) return tile;
    const middle = from.lefts[tile - from.first] + from.widths[tile - from.first] / 2;
    let best = 0;
    for (let i = 1; i < to.count; i += 1) {
      const distance = Math.abs(to.lefts[i] + to.widths[i] / 2 - middle);
      if (distance < Math.abs(to.lefts[best] + to.widths[best] / 2 - middle)) best = i;
    }
    return to.first + best;
  }

  /** @param {number} edge @param {(row: Row) => number} side */
  #after(edge, side) {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (side(this.rows[middle]) <= edge) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {readonly number[]} ratios @param {number} first @param {number} count @param {number} exact */
  #push(ratios, first, count, exact) {
    const last = this.rows.at(-1);
    const height = Math.round(exact);
    const lefts = [];
    const widths = [];
    let edge = 0; // exact, so that rounding does not add up over a row
    for (let i = first; i < first + count; i += 1) {
      const left = Math.round(edge);
      edge += exact * bounded(ratios[i]);
      lefts.push(left);
      widths.push(Math.round(edge) - left);
      edge += this.gap;
    }
    const top = last ? last.top + last.height + this.gap : 0;
    this.rows.push({ first, count, top, height, lefts, widths });
  }
}
