/** Figures, times and places as people read them. */

const whole = new Intl.NumberFormat("en");

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${whole.format(count)} ${count === 1 ? one : many}`;
}

/** @param {number} value */
export function number(value) {
  return whole.format(value);
}

/**
 * A place in timed media, as players show it: `12:04`, `1:02:03`.
 *
 * @param {number} seconds
 */
export function clock(seconds) {
  const all = Math.floor(seconds);
  const hours = Math.floor(all / 3600);
  const minutes = Math.floor(all / 60) % 60;
  const rest = String(all % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** @param {number} bytes */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/**
 * A probability: `<1%`, `42%`.
 *
 * @param {number} value from 0 to 1
 */
export function percent(value) {
  return value < 0.01 ? "<1%" : `${Math.round(value * 100)}%`;
}

/**
 * A camera's local time. It has no zone, and is given none.
 *
 * @param {string} iso
 * @param {boolean} [withTime]
 */
export function date(iso, withTime = false) {
  const when = new Date(`${iso.replace(/Z|[+-]\d\d:\d\d$/, "")}Z`);
  if (Number.isNaN(when.getTime())) return iso;
  return new Intl.DateTimeFormat("en-GB", {
    dateStyle: "long",
    ...(withTime ? { timeStyle: "short" } : {}),
    timeZone: "UTC",
  }).format(when);
}

/**
 * Degrees with their hemispheres: `48.2082° N, 16.3738° E`.
 *
 * @param {number} latitude
 * @param {number} longitude
 */
export function coordinates(latitude, longitude) {
  const north = `${Math.abs(latitude).toFixed(4)}° ${latitude < 0 ? "S" : "N"}`;
  return `${north}, ${Math.abs(longitude).toFixed(4)}° ${longitude < 0 ? "W" : "E"}`;
}

/** What stands after the last slash or backslash of a path. @param {string} path */
export function fileName(path) {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** Photos that every browser shows as they are; HEIC, TIFF, camera RAW and others are not. */
const SHOWN = /\.(jpe?g|jpe|jfif|jif|mpo|a?png|webp|avifs?|gif|bmp|dib)$/iu;

/** Whether browsers show a photo as it is, judged by its name. @param {string} path */
export function isShownByBrowsers(path) {
  return SHOWN.test(path);
}

/** What stands before it. @param {string} path */
export function folderName(path) {
  return path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"), 0));
}

/** @type {Record<string, [string, string]>} */
const MODALITIES = {
  image: ["Photo", "Photos"],
  caption: ["Text", "Texts"],
  transcript: ["Speech", "Speech"],
  frame: ["Video", "Videos"],
  ocr: ["Text in a photo", "Text in photos"],
};

/** @param {string} modality @param {boolean} [many] */
export function modalityName(modality, many = false) {
  return MODALITIES[modality]?.[many ? 1 : 0] ?? modality;
}

/** @type {Intl.DisplayNames | undefined} */
let languages;

/** The name of a language by its ISO 639-1 code. @param {string} code */
export function languageName(code) {
  try {
    languages ??= new Intl.DisplayNames("en", { type: "language" });
    return languages.of(code) ?? code;
  } catch {
    return code; // no code that the browser knows
  }
}
