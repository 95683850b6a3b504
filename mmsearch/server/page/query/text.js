/**
 * Edits a query as text: the text is all there is to a search, so a filter that is clicked is
 * written into it, and what is removed is cut out of it.
 */

/**
 * @typedef {{start: number, end: number}} Span characters of a query, as JavaScript counts them
 */

/**
 * The server counts characters, JavaScript counts halves of those beyond the basic plane.
 *
 * @param {string} text
 * @param {number} position in characters
 * @param {number} length in characters
 * @returns {Span}
 */
export function span(text, position, length) {
  const characters = [...text];
  const start = characters.slice(0, position).join("").length;
  return { start, end: start + characters.slice(position, position + length).join("").length };
}

const OPERATOR_BEFORE = /(?:(?<=^|\s)(?:[-+]|NOT)\s+|(?<=^|\s)-)$/u;
const WEIGHT_AFTER = /^\^\d+(?:\.\d+)?(?=\s|$)/u;

/** A span with the operator before it and the weight after it. @param {string} text @param {Span} of */
function whole(text, { start, end }) {
  return {
    start: start - (OPERATOR_BEFORE.exec(text.slice(0, start))?.[0].length ?? 0),
    end: end + (WEIGHT_AFTER.exec(text.slice(end))?.[0].length ?? 0),
  };
}

/**
 * A query without a part of it.
 *
 * @param {string} text
 * @param {Span} cut
 * @param {readonly Span[]} others other parts; those that stand inside the cut stay
 */
export function without(text, cut, others = []) {
  const inside = others
    .filter((one) => one.start >= cut.start && one.end <= cut.end && one !== cut)
    .map((one) => whole(text, one))
    .sort((a, b) => a.start - b.start);
  const { start, end } = whole(text, cut);
  const kept = inside.map((one) => text.slice(one.start, one.end));
  return tidy([text.slice(0, start), ...kept, text.slice(end)].join(" "));
}

/** @param {string} text */
function tidy(text) {
  return text
    .replace(/\s+/gu, " ")
    .trim()
    .replace(/^\+ /u, "") // what was added to something that is gone stands alone
    .replace(/^- /u, "NOT ");
}

/** A query and something more. @param {string} text @param {string} part */
export function withPart(text, part) {
  return [text.trim(), part].filter(Boolean).join(" ");
}

/** A filter as it is typed. @param {string} key @param {string} value */
export function filterText(key, value) {
  if (!/[\s"“”„«»{}]/u.test(value)) return `${key}:${value}`;
  return value.includes('"') ? `${key}:«${value}»` : `${key}:"${value}"`;
}
