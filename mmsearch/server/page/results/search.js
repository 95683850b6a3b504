/** One search: what is asked of the server, and the hits of those before, for going back. */

/** @import {State} from "../navigation.js" */

import { IndexApi, isRecording } from "../api.js";
import { recallFile } from "../query/upload.js";
import { HitList } from "./hits.js";

const KEPT = 8; // searches whose hits are kept for going back

/** A filter that everything passes: the newest first. */
const EVERYTHING = "type:image,frame,caption,transcript,ocr";

/** What of a state decides which hits there are. @param {State} state */
export function searchKey({ index, q, picture, more, less, all, diverse }) {
  return JSON.stringify([index, q.trim(), picture, more, less, all, diverse]);
}

/** Whether nothing in particular is searched for. @param {State} state */
export function isStart({ q, picture, more }) {
  return !q.trim() && !picture && !more.length;
}

export class Searches {
  /** @type {Map<string, HitList>} */
  #lists = new Map();

  /** The hits of a state: those that were fetched already, or none so far. @param {State} state @param {IndexApi} api */
  list(state, api) {
    const key = searchKey(state);
    const list =
      this.#lists.get(key) ??
      new HitList((k, offset, signal) => fetchPart(state, api, k, offset, signal));
    this.#lists.delete(key); // the one that was used last is dropped last
    this.#lists.set(key, list);
    for (const old of [...this.#lists.keys()].slice(0, -KEPT)) this.#lists.delete(old);
    return list;
  }

  /** Forgets all hits: the index has changed, or a search failed. */
  forget() {
    this.#lists.clear();
  }
}

/** @param {State} state @param {IndexApi} api @param {number} k @param {number} offset @param {AbortSignal} signal */
async function fetchPart(state, api, k, offset, signal) {
  const file = await recallFile(state.picture);
  const isSpoken = file && isRecording(file); // a question of its own
  const asked = {
    q: isSpoken ? "" : isStart(state) ? EVERYTHING : state.q.trim(),
    k,
    offset,
    all: state.all,
    diverse: state.diverse && !isStart(state),
    more_like: state.more,
    less_like: isStart(state) ? [] : state.less,
  };
  const answer = await api.search(asked, file, signal);
  const isFiltered = !file && !state.more.length && !answer.understood?.terms.length;
  // That a file passes a filter is certain: 100% would tell nothing.
  if (isFiltered) for (const hit of answer.hits) hit.relevance = null;
  return answer;
}
