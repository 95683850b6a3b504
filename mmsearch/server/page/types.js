/**
 * The shapes of what the server answers. Types only; see docs/server.md for their meaning.
 *
 * @typedef {object} Item
 * @property {number} rank
 * @property {number} score
 * @property {number | null} relevance
 * @property {number | null} [similarity]
 * @property {string} path
 * @property {string} name
 * @property {string} modality
 * @property {number} item
 * @property {number} asset
 * @property {string | null} text
 * @property {number | null} start
 * @property {number | null} end
 * @property {string | null} thumbnail
 * @property {string | null} media
 *
 * @typedef {object} Info
 * @property {string | null} captured_at
 * @property {number | null} width
 * @property {number | null} height
 * @property {number | null} latitude
 * @property {number | null} longitude
 * @property {string | null} camera
 * @property {number | null} duration
 * @property {string | null} language
 *
 * @typedef {Item & Info & {others: Item[], copies: Item[]}} Hit
 *
 * @typedef {object} UnderstoodTerm
 * @property {string} text
 * @property {"text" | "items"} kind
 * @property {boolean} wanted
 * @property {number} weight
 * @property {number | null} position
 * @property {number | null} length
 *
 * @typedef {object} UnderstoodFilter
 * @property {string} text
 * @property {string} key
 * @property {string} value
 * @property {boolean} negated
 * @property {number | null} position
 * @property {number | null} length
 *
 * @typedef {object} Understood
 * @property {UnderstoodTerm[]} terms
 * @property {string[]} phrases
 * @property {UnderstoodFilter[]} filters
 * @property {string[]} notices
 *
 * @typedef {object} Answer
 * @property {string | null} query
 * @property {string} encoder
 * @property {number} took_ms
 * @property {number} generation
 * @property {Hit[]} hits
 * @property {number} hidden
 * @property {Understood | null} understood
 * @property {string | null} heard
 *
 * @typedef {Info & {asset: number, path: string, name: string, bytes: number, modified_at: string, failure: string | null, thumbnail: string | null, media: string, items: Item[]}} Asset
 *
 * @typedef {object} Facets
 * @property {number} assets
 * @property {{value: string, assets: number}[]} types
 * @property {{path: string, name: string, assets: number}[]} folders
 * @property {number} more_folders
 * @property {{value: string, assets: number}[]} years
 * @property {number} undated
 *
 * @typedef {object} IndexSummary
 * @property {string} name
 * @property {string} path
 * @property {string} encoder
 * @property {number} assets
 * @property {Record<string, number>} items
 * @property {number} generation
 * @property {boolean} default
 */

export {};
