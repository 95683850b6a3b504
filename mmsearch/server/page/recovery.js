/** What becomes of requests that fail: signing in, waiting for the server, telling what is wrong. */

import { ApiError, isAlive } from "./api.js";
import { signedIn } from "./session.js";

const RETRY = 2000; // ms between looks whether the server is back

export class Recovery {
  #timer = 0;

  /**
   * @param {object} does
   * @param {() => void} does.again shows everything anew
   * @param {(error: ApiError) => void} does.onFailed
   */
  constructor({ again, onFailed }) {
    this.again = again;
    this.onFailed = onFailed;
  }

  /** Does something that asks the server. @param {() => Promise<void>} act */
  async attempt(act) {
    clearTimeout(this.#timer);
    try {
      await act();
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return; // nobody waits
      if (!(error instanceof ApiError)) throw error;
      if (error.wantsToken) {
        await signedIn();
        this.again();
        return;
      }
      this.onFailed(error);
      if (error.isGone) this.#awaitServer();
    }
  }

  /** Goes on as soon as the server is back. */
  #awaitServer() {
    this.#timer = window.setTimeout(async () => {
      if (await isAlive()) this.again();
      else this.#awaitServer();
    }, RETRY);
  }
}
