/**
 * Pictures and recordings to search by: dropped, pasted or picked.
 *
 * Pictures are made smaller before they are sent, which nothing is lost by: encoders look at some
 * hundred pixels. So they are also small enough to be kept as long as the tab, for going back.
 */

import { isRecording } from "../api.js";
import { h } from "../lib/dom.js";

const LONGEST = 768; // pixels that a picture is sent with
const KEPT = 20; // pictures, a tab
const PREFIX = "mmsearch.picture.";

/** @type {Map<string, File>} what cannot be kept as text lasts as long as the page */
const files = new Map();

/** Whether a file may be searched by. @param {File} file */
export function isSearchable(file) {
  return (
    file.type.startsWith("image/") ||
    isRecording(file) ||
    /\.(heic|heif|raw|dng|nef|cr2|arw)$/iu.test(file.name)
  );
}

/**
 * Takes a file to search by.
 *
 * @param {File} file
 * @returns {Promise<string>} its id
 */
export async function take(file) {
  const id = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
  const small = isRecording(file) ? null : await smaller(file);
  files.set(id, small ?? file);
  if (small) keep(id, small.name, await asText(small));
  return id;
}

/** The file of an id; null where the browser has forgotten it. @param {string} id */
export async function recallFile(id) {
  const file = files.get(id);
  if (file || !id) return file ?? null;
  const [name, text] = kept(id);
  if (!text) return null;
  const found = new File([fromText(text)], name, { type: "image/jpeg" });
  files.set(id, found);
  return found;
}

/** A small view of a file to search by. @param {File} file */
export function preview(file) {
  if (isRecording(file)) return null;
  const address = URL.createObjectURL(file);
  const picture = h("img", { class: "picture-preview", src: address, alt: "", draggable: false });
  const release = () => URL.revokeObjectURL(address);
  picture.addEventListener("load", release, { once: true });
  picture.addEventListener("error", () => (release(), picture.remove()), { once: true });
  return picture;
}

/** A picture as a small JPEG; null where the browser cannot read it. @param {File} file */
async function smaller(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file); // upright: EXIF's orientation is applied
  } catch {
    return null; // HEIC or RAW: the server reads them
  }
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = h("canvas", {
    width: Math.max(1, Math.round(bitmap.width * scale)),
    height: Math.max(1, Math.round(bitmap.height * scale)),
  });
  const context = canvas.getContext("2d");
  if (!context) return null;
  context.fillStyle = "#fff"; // behind what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
  return blob && new File([blob], file.name || "picture.jpg", { type: "image/jpeg" });
}

/** @param {Blob} blob @returns {Promise<string>} in base 64 */
async function asText(blob) {
  let binary = "";
  for (const byte of new Uint8Array(await blob.arrayBuffer())) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** @param {string} text */
function fromText(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** @param {string} id @param {string} name @param {string} text */
function keep(id, name, text) {
  try {
    const ids = JSON.parse(sessionStorage.getItem(`${PREFIX}ids`) ?? "[]");
    while (ids.length >= KEPT) sessionStorage.removeItem(PREFIX + ids.shift());
    sessionStorage.setItem(PREFIX + id, JSON.stringify([name, text]));
    sessionStorage.setItem(`${PREFIX}ids`, JSON.stringify([...ids, id]));
  } catch {
    // Full, or off: it lasts as long as the page.
  }
}

/** @param {string} id @returns {[string, string]} */
function kept(id) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + id) ?? '["", ""]');
  } catch {
    return ["", ""];
  }
}
