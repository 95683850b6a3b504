/** Keys that work anywhere on the page; those of the grid and the detail view are theirs. */

/** Whether what is typed goes into a field. @param {EventTarget | null} target */
function isTyping(target) {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(input|textarea|select)$/iu.test(target.tagName))
  );
}

/** @param {Record<string, () => void>} keys what each key does */
export function listenForKeys(keys) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) return;
    // In a dialog only the help is at hand, to be read beside it.
    if (document.querySelector("dialog[open]") && event.key !== "?") return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
