/** What the server made of a query: its parts, each with its place in the text. */

/** @import {Understood} from "../types.js" */
/** @import {Span} from "./text.js" */

import { span } from "./text.js";

/**
 * @typedef {object} Part
 * @property {"term" | "filter"} kind
 * @property {string} text without its minus
 * @property {boolean} negated
 * @property {number} weight
 * @property {string} key of a filter, such as `type`; "" for terms
 * @property {string} value of a filter
 * @property {Span | null} span null where it was not typed
 */

/**
 * @param {string} query
 * @param {Understood | null | undefined} understood
 * @returns {Part[]}
 */
export function partsOf(query, understood) {
  if (!understood) return [];
  const terms = understood.terms.map((term) => ({
    kind: /** @type {const} */ ("term"),
    text: term.text.replace(/^-/u, ""),
    negated: !term.wanted,
    weight: term.weight,
    key: "",
    value: "",
    span: placed(query, term),
  }));
  const filters = understood.filters.map((filter) => ({
    kind: /** @type {const} */ ("filter"),
    text: filter.text.replace(/^-/u, ""),
    negated: filter.negated,
    weight: 1,
    key: filter.key,
    value: filter.value,
    span: placed(query, filter),
  }));
  return [...terms, ...filters].sort((a, b) => (a.span?.start ?? 0) - (b.span?.start ?? 0));
}

/** @param {string} query @param {{position: number | null, length: number | null}} part */
function placed(query, { position, length }) {
  return position === null || length === null ? null : span(query, position, length);
}

/** Whether a query says more than words. @param {readonly Part[]} parts */
export function isPlain(parts) {
  return parts.length === 1 && parts[0].kind === "term" && !parts[0].negated;
}
