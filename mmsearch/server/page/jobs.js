/** Indexing as it goes on: its progress, from the server's events, and starting and ending it. */

import { ApiError, IndexApi } from "./api.js";
import { announce, toast } from "./lib/announce.js";
import { byId, h, icon } from "./lib/dom.js";
import { counted, number } from "./lib/format.js";

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} state waiting, running, done, failed or cancelled
 * @property {number} done files
 * @property {number | null} total files, once that is known
 * @property {string | null} waits_for
 * @property {any} report
 * @property {{message: string} | null} error
 */

const LOOK = 20_000; // ms between looks whether something else has begun to index

const ENDED = new Set(["done", "failed", "cancelled"]);

export class Jobs {
  #place = byId("job");
  #told = h("span");
  #bar = h("progress", { "aria-label": "Indexing" });
  #quarters = 0; // of the files, each of which is read out
  /** @type {EventSource | null} */
  #events = null;

  /**
   * @param {() => IndexApi} api of the index that is shown
   * @param {() => void} onChanged the index holds other things than before
   */
  constructor(api, onChanged) {
    this.api = api;
    this.onChanged = onChanged;
    setInterval(() => {
      if (!this.#events && document.visibilityState === "visible") this.look();
    }, LOOK);
  }

  /** Follows what is going on already. */
  async look() {
    this.#leave();
    try {
      const { jobs } = await this.api().jobs();
      const going = jobs.find((/** @type {Job} */ job) => !ENDED.has(job.state));
      if (going) this.#follow(going);
    } catch {
      // Whether the server is there at all, the search will tell.
    }
  }

  /** Brings all sources up to date. */
  async update() {
    try {
      this.#follow(await this.api().update());
    } catch (error) {
      toast(/** @type {Error} */ (error).message.split("\n")[0]);
    }
  }

  /** @param {Job} job */
  #follow(job) {
    this.#leave();
    this.#lay(job);
    this.#quarters = 0;
    this.#show(job);
    announce("Indexing has begun.");
    const events = new EventSource(this.api().url(`jobs/${job.id}/events`), {
      withCredentials: true,
    });
    this.#events = events;
    /** @param {MessageEvent} event */
    const take = (event) => {
      /** @type {Job} */
      const told = { ...job, ...JSON.parse(event.data) };
      if (ENDED.has(told.state)) this.#ended(told);
      else this.#show(told);
    };
    for (const name of ["state", "progress", ...ENDED]) events.addEventListener(name, take);
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) this.#leave(); // else the browser tries again
    });
  }

  #leave() {
    this.#events?.close();
    this.#events = null;
    this.#place.hidden = true;
  }

  /** Puts a job on the page, once: what is told of it changes, its button keeps the focus. @param {Job} job */
  #lay(job) {
    this.#place.replaceChildren(
      this.#told,
      this.#bar,
      h(
        "button",
        {
          type: "button",
          class: "icon-button small",
          "aria-label": "Stop indexing",
          title: "Stop indexing",
          onclick: () => this.#cancel(job.id),
        },
        icon("close"),
      ),
    );
    this.#place.hidden = false;
  }

  /** Tells how far a job is. @param {Job} job */
  #show({ done, total, waits_for: waitsFor }) {
    this.#told.textContent = total
      ? `Indexing ${number(Math.floor(done))} of ${counted(total, "file")}`
      : waitsFor
        ? `Waiting for ${waitsFor}…`
        : "Looking for files to index…";
    if (total) {
      this.#bar.max = total;
      this.#bar.value = done;
    } else this.#bar.removeAttribute("value"); // how far it is, nobody knows
    const quarters = total ? Math.floor((4 * done) / total) : 0;
    if (quarters > this.#quarters) announce(`${this.#told.textContent}.`);
    this.#quarters = quarters;
  }

  /** @param {string} id */
  async #cancel(id) {
    try {
      await this.api().cancel(id);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404))
        toast(/** @type {Error} */ (error).message);
    }
  }

  /** @param {Job} job */
  #ended(job) {
    this.#leave();
    const { report } = job;
    if (job.state === "failed") {
      toast(`Indexing failed: ${job.error?.message ?? "the server's log says why."}`);
      return;
    }
    if (job.state === "cancelled") toast("Indexing was stopped; what is done can be searched.");
    else if (report) toast(summary(report));
    if (job.state === "cancelled" || !report || report.added || report.updated || report.removed)
      this.onChanged();
  }
}

/** @param {any} report */
function summary(report) {
  const parts = [
    report.added && `${number(report.added)} added`,
    report.updated && `${number(report.updated)} updated`,
    report.removed && `${number(report.removed)} removed`,
    report.failed?.length && `${number(report.failed.length)} could not be read`,
  ].filter(Boolean);
  return parts.length ? `Indexed: ${parts.join(", ")}.` : "The index is up to date.";
}
