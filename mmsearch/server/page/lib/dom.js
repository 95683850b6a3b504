/** Making elements, without ever parsing markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, any>} Properties
 */

/**
 * An element.
 *
 * Properties that begin with `on` are listeners (`onclick`), `class` and what holds a dash are
 * attributes, `data` is the element's dataset, all others are the element's own properties. Those
 * that are null, undefined or false are left out.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Properties} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class" || name === "role" || name.includes("-")) {
      element.setAttribute(name, value === true ? "" : String(value));
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else {
      /** @type {any} */ (element)[name] = value;
    }
  }
  put(element, ...children);
  return element;
}

/**
 * Appends children, leaving out those that are nothing.
 *
 * @param {Element} parent
 * @param {...Child} children
 */
export function put(parent, ...children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
}

/**
 * A path that lines break in after its slashes, and that is copied as it is: from the left, each
 * name in its own direction.
 *
 * @param {string} path
 */
export function pathText(path) {
  const parts = path.split(/([\\/])/u); // names and what parts them by turns
  return h(
    "bdi",
    { dir: "ltr" },
    ...parts.flatMap((part, i) => (i % 2 ? [part, h("wbr")] : h("bdi", {}, part))),
  );
}

/**
 * An SVG element.
 *
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Node} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * One of the icons that index.html defines.
 *
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
    svg("use", { href: `#icon-${name}` }),
  );
}

/**
 * The one element of the page that has this id.
 *
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element #${id}.`);
  return /** @type {any} */ (found);
}
