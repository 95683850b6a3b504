/** What stands where the grid would, when there is nothing to show in it. */

import { ApiError } from "../api.js";
import { copyText } from "../lib/announce.js";
import { h, icon } from "../lib/dom.js";
import { number } from "../lib/format.js";

/**
 * @param {string} picture name of an icon
 * @param {string} title
 * @param {(Node | string)[]} body
 * @param {HTMLElement[]} [actions]
 */
function message(picture, title, body, actions = []) {
  return h(
    "section",
    { class: "message" },
    h("span", { class: "message-icon" }, icon(picture)),
    h("h2", {}, title),
    h("p", {}, ...body),
    actions.length > 0 && h("div", { class: "message-actions" }, ...actions),
  );
}

/** @param {string} label @param {() => void} onclick @param {boolean} [main] */
function button(label, onclick, main = true) {
  return h(
    "button",
    { type: "button", class: main ? "button button-main" : "button", onclick },
    label,
  );
}

/** The index holds nothing. @param {string} path of the index */
export function nothingIndexed(path) {
  const command = `mmsearch index FOLDER --index ${quoted(path)}`;
  return message(
    "photos",
    "Nothing is indexed yet",
    ["Make a folder of photos, recordings or videos searchable with"],
    [
      h("code", { class: "command" }, command),
      button("Copy", () => copyText(command, "Command"), false),
    ],
  );
}

/** @param {number} hidden hits that hardly answer @param {() => void} onAll */
export function nothingAnswers(hidden, onAll) {
  return message(
    "search",
    "Nothing here answers that",
    [
      hidden === 1
        ? "The nearest file is not a likely answer."
        : `None of the ${number(hidden)} nearest files is a likely answer.`,
    ],
    [button("Show the nearest all the same", onAll)],
  );
}

/** @param {boolean} isFiltered @param {() => void} onUnfilter */
export function noHits(isFiltered, onUnfilter) {
  return isFiltered
    ? message(
        "search",
        "No hits",
        ["Nothing passes all the filters."],
        [button("Remove the filters", onUnfilter)],
      )
    : message("search", "No hits", ["Try other words, fewer of them, or without quotation marks."]);
}

/** The browser no longer has the file that the address speaks of. @param {() => void} onStart */
export function pictureForgotten(onStart) {
  return message(
    "camera",
    "The picture or recording is no longer here",
    ["What you search by is kept as long as a tab is open. Drop, paste or pick it again."],
    [button("Start afresh", onStart)],
  );
}

/** @param {Error} error @param {() => void} onRetry */
export function failed(error, onRetry) {
  const isGone = error instanceof ApiError && error.isGone;
  if (isGone) {
    return message(
      "gone",
      "The server does not answer",
      [
        "Is ",
        h("code", {}, "mmsearch serve"),
        " still running? The page goes on as soon as it is back.",
      ],
      [button("Try again now", onRetry)],
    );
  }
  const isSyntax = error instanceof ApiError && error.position !== null;
  if (isSyntax)
    return message("search", "The query does not work as it stands", [
      "What is wrong with it is underlined in the search box and told below it.",
    ]);
  return message("gone", "That did not work", [plain(error)], [button("Try again", onRetry)]);
}

/** A path as shells take it: in quotation marks where something in it means more. @param {string} path */
function quoted(path) {
  if (/^[\p{L}\p{N}_./\\:@%+=-]+$/u.test(path)) return path;
  return path.startsWith("/") ? `'${path.replaceAll("'", String.raw`'\''`)}'` : `"${path}"`;
}

/** @param {Error} error */
function plain(error) {
  return error.message.split("\n")[0];
}
