/** How many hits there are, and what is left out of them. */

/** @import {State} from "../navigation.js" */
/** @import {HitList} from "./hits.js" */

import { byId, h } from "../lib/dom.js";
import { counted } from "../lib/format.js";
import { isStart } from "./search.js";

/** How many hits there are, as far as that is known. @param {HitList} list @param {State} state */
export function found(list, state) {
  const noun = isStart(state) ? "file" : "hit";
  return list.isComplete
    ? counted(list.hits.length, noun)
    : `At least ${counted(list.hits.length, noun)}`;
}

/**
 * Above the grid how many hits there are, and below it what is not among them.
 *
 * @param {HitList} list
 * @param {State} state
 * @param {(all: boolean) => void} onAll shows what hardly answers too, or not
 */
export function showSummary(list, state, onAll) {
  const took = Math.max(1, Math.round(list.first?.took_ms ?? 0));
  byId("summary").textContent = isStart(state)
    ? `${found(list, state)}, the newest first`
    : `${found(list, state)} · ${took} ms`;

  const end = byId("end");
  const isCut = !state.all && list.hidden > 0;
  end.hidden = !list.isComplete || isStart(state) || !(isCut || state.all);
  end.replaceChildren(
    isCut
      ? `${counted(list.hidden, "less likely hit is", "less likely hits are")} hidden. `
      : "Also what hardly answers is shown. ",
    h(
      "button",
      { type: "button", class: "link", onclick: () => onAll(isCut) },
      isCut ? "Show them too" : "Only likely hits",
    ),
  );
}
