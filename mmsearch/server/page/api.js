/** The server's answers, and its errors as one kind of exception. */

/** @import {Answer, Asset, Facets, Hit, IndexSummary, Understood} from "./types.js" */

import { isShownByBrowsers } from "./lib/format.js";

const BASE = new URL("api/v1/", document.baseURI).href;

/**
 * The address of what the server names by a path. The page may lie below another site's folder,
 * which the server knows nothing of.
 *
 * @param {string} path
 */
export function here(path) {
  return new URL(path.replace(/^\/+/u, ""), document.baseURI).href;
}

/**
 * The address of a photo to look at: as it is, or as a JPEG where browsers do not show it so.
 *
 * @param {string} media
 * @param {string} path of the file
 */
export function viewable(media, path) {
  const to = new URL(here(media));
  if (!isShownByBrowsers(path)) to.searchParams.set("as", "jpeg");
  return to.href;
}

/** An answer that is none: what the server says, or that it does not. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{status?: number, type?: string, position?: number | null, length?: number | null}} [told]
   */
  constructor(message, { status = 0, type = "", position = null, length = null } = {}) {
    super(message);
    this.status = status;
    this.type = type;
    this.position = position;
    this.length = length;
  }

  /** Nobody answers: the server has ended, or the network is gone. */
  get isGone() {
    return this.status === 0 || (!this.type && this.status >= 502 && this.status <= 504);
  }

  /** A token is wanted, or another one. */
  get wantsToken() {
    return this.status === 401;
  }
}

/** @typedef {string | number | boolean | null | undefined | (string | number)[]} Value */

/** Whether a file is one that says something, rather than shows. @param {File} file */
export function isRecording(file) {
  return (
    file.type.startsWith("audio/") ||
    (!file.type &&
      /\.(wav|mp3|flac|og[ag]|opus|m4[ab]|aac|wma|aif[fc]?|amr|caf|mka)$/iu.test(file.name))
  );
}

/**
 * The address of something in the API.
 *
 * @param {string} path below /api/v1/
 * @param {Record<string, Value>} [parameters] those that are empty are left out; lists repeat
 */
export function url(path, parameters = {}) {
  const to = new URL(path, BASE);
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === null || one === undefined || one === "" || one === false) continue;
      to.searchParams.append(name, String(one));
    }
  }
  return to.href;
}

/**
 * @param {string} address
 * @param {RequestInit} [init]
 * @returns {Promise<any>}
 */
export async function request(address, init = {}) {
  let response;
  let told = null;
  try {
    response = await fetch(address, { credentials: "same-origin", ...init });
    const text = await response.text(); // which may be cut off as well
    if (response.ok) return text && JSON.parse(text);
    told = parsed(text);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError("The server does not answer.");
  }
  const error = told?.error ?? {};
  throw new ApiError(error.message ?? `The server answered with status ${response.status}.`, {
    status: response.status,
    ...error,
  });
}

/** What an error says; null where it is another one's than our server's. @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {string} address @param {unknown} body @param {string} [method] */
export function send(address, body, method = "POST") {
  return request(address, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** One index of the server. */
export class IndexApi {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /** @param {string} path @param {Record<string, Value>} [parameters] */
  url(path, parameters) {
    return url(`indexes/${encodeURIComponent(this.name)}/${path}`, parameters);
  }

  /**
   * @param {Record<string, Value>} asked
   * @param {File | null} file a picture or recording to search by
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>}
   */
  search(asked, file, signal) {
    if (!file) return request(this.url("search", asked), { signal });
    const body = new FormData();
    body.append(isRecording(file) ? "audio" : "image", file, file.name);
    for (const [name, value] of Object.entries(asked)) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (one !== null && one !== undefined && one !== "" && one !== false) {
          body.append(name, String(one));
        }
      }
    }
    return request(this.url("search/upload"), { method: "POST", body, signal });
  }

  /** @param {string} q @param {AbortSignal} [signal] @returns {Promise<Understood>} */
  understand(q, signal) {
    return request(this.url("understand", { q }), { signal });
  }

  /** @param {string} q @returns {Promise<Facets>} */
  facets(q) {
    return request(this.url("facets", { q }));
  }

  /** @param {number} item @returns {Promise<any>} */
  item(item) {
    return request(this.url(`items/${item}`));
  }

  /** @param {number} asset @param {AbortSignal} [signal] @returns {Promise<Asset>} */
  asset(asset, signal) {
    return request(this.url(`assets/${asset}`), { signal });
  }

  /** @param {number} item @param {number} k @param {AbortSignal} [signal] @returns {Promise<{hits: Hit[]}>} */
  similar(item, k, signal) {
    return request(this.url(`items/${item}/similar`, { k }), { signal });
  }

  /** @param {number} item @param {string} q @param {AbortSignal} [signal] @returns {Promise<any>} */
  explain(item, q, signal) {
    return request(this.url(`items/${item}/explain`, { q }), { signal });
  }

  /** @param {string} match @param {AbortSignal} [signal] @returns {Promise<any>} */
  duplicates(match, signal) {
    return request(this.url("duplicates", { match }), { signal });
  }

  /** @returns {Promise<any>} */
  jobs() {
    return request(this.url("jobs"));
  }

  /** Brings all sources up to date. @returns {Promise<any>} */
  update() {
    return send(this.url("jobs"), {});
  }

  /** @param {string} job */
  cancel(job) {
    return request(this.url(`jobs/${job}`), { method: "DELETE" });
  }

  /** The address of an item's or asset's picture. @param {string} thumbnail @param {number} size */
  static sized(thumbnail, size) {
    const to = new URL(here(thumbnail));
    to.searchParams.set("size", String(size));
    return to.href;
  }
}

/** @returns {Promise<{indexes: IndexSummary[]}>} */
export function indexes() {
  return request(url("indexes"));
}

/** Shows a token, so that a cookie lets this browser in. @param {string} token */
export function signIn(token) {
  return send(url("session"), { token });
}

/** Whether the server answers at all. */
export async function isAlive() {
  try {
    return (await fetch(new URL("healthz", document.baseURI), { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}
