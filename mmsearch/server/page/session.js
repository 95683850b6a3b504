/** Signing in, where the server demands a token: asked for once, kept in a cookie. */

import { ApiError, signIn } from "./api.js";
import { byId } from "./lib/dom.js";

/** @type {Promise<void> | null} */
let asking = null;

/** Asks for the token until the server takes one; many callers wait for one form. */
export function signedIn() {
  asking ??= ask().finally(() => {
    asking = null;
  });
  return asking;
}

/** @returns {Promise<void>} */
function ask() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("session"));
  const form = /** @type {HTMLFormElement} */ (byId("session-form"));
  const token = /** @type {HTMLInputElement} */ (byId("token"));
  const problem = byId("session-problem");
  problem.textContent = "";
  dialog.showModal();
  return new Promise((done) => {
    /** @param {Event} event */
    const onCancel = (event) => event.preventDefault(); // there is nothing to see without
    /** @param {Event} event */
    const onSubmit = async (event) => {
      event.preventDefault();
      try {
        await signIn(token.value.trim());
      } catch (error) {
        const isWrong = error instanceof ApiError && error.wantsToken;
        problem.textContent = isWrong
          ? "That is not the token of this server."
          : /** @type {Error} */ (error).message;
        token.select();
        return;
      }
      form.removeEventListener("submit", onSubmit);
      dialog.removeEventListener("cancel", onCancel);
      token.value = "";
      dialog.close();
      done();
    };
    form.addEventListener("submit", onSubmit);
    dialog.addEventListener("cancel", onCancel);
  });
}
