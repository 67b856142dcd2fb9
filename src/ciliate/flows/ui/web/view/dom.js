/** Elements without HTML: what flows say gets into the page as text alone. */

import { visible } from "../model/text.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element; `attributes` may have `text`, `on` with listeners, `class` and any attribute. False and
 * undefined leave an attribute out.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. @returns {any} */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") setText(element, value);
    else if (name === "on")
      for (const [event, call] of Object.entries(value)) element.addEventListener(event, call);
    else if (value !== undefined && value !== false && value !== null) {
      element.setAttribute(name, value === true ? "" : visible(value));
    }
  }
  element.append(
    ...children.filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** Set a text, or lines, if they are others. @param {Element} element @param {unknown} text */
export function setText(element, text) {
  const shown = Array.isArray(text) ? text.map(visible).join("\n") : visible(text);
  const node = element.firstChild;
  // The same node again: those that go wait long for the browser to clear them away.
  if (node?.nodeType !== Node.TEXT_NODE || node.nextSibling) element.textContent = shown;
  else if (node.nodeValue !== shown) node.nodeValue = shown;
}

/** Set an attribute, if it is another one. @param {Element} element @param {string} name @param {unknown} value */
export function setAttribute(element, name, value) {
  const shown = visible(value);
  if (element.getAttribute(name) !== shown) element.setAttribute(name, shown);
}

/** An icon of icons.js. @param {string} path of a square of 16 */
export function icon(path) {
  return svg(
    "svg",
    { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" },
    svg("path", { d: path }),
  );
}

/** A button with an icon, and its name for who cannot see it. */
export function iconButton(path, name, click) {
  return el(
    "button",
    { type: "button", class: "icon-button", "aria-label": name, title: name, on: { click } },
    icon(path),
  );
}
