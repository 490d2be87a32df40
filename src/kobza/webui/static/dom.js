// Elements and icons. A text becomes a text node, never markup: titles come from files that anyone may have written.
const MAX_QUERY_LETTERS = 400;
const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  play: ["M8 5.5v13l11-6.5z"],
  pause: ["M7 5.5h3.6v13H7z", "M13.4 5.5H17v13h-3.6z"],
  next: ["M6 5.5v13l8.5-6.5z", "M15.5 5.5h2.6v13h-2.6z"],
  previous: ["M18 5.5v13L9.5 12z", "M6 5.5h2.6v13H6z"],
  close: ["M6.4 5 12 10.6 17.6 5 19 6.4 13.4 12 19 17.6 17.6 19 12 13.4 6.4 19 5 17.6 10.6 12 5 6.4z"],
  down: ["M6.5 9 12 14.5 17.5 9l1.2 1.3L12 17l-6.7-6.7z"],
  up: ["M12 9.3l6.7 6.7 1.2-1.3L12 7l-7.9 7.7L5.3 16z"],
  add: ["M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z"],
  queue: ["M4 6h16v2H4z", "M4 11h16v2H4z", "M4 16h9v2H4z"],
  locate: ["M3 17c3 0 3.5-9 6-9s2.5 6 4.5 6 2-3 3.5-3 1.5 4 4 4v2c-4 0-3.8-3-4.3-3-.9 0-1.1 2-3.2 2-3.5 0-3.4-5.5-4.5-5.5S7 19 3 19z"],
  volume: ["M4 9v6h4l5 4V5L8 9z", "M15.5 8.2a5 5 0 0 1 0 7.6l-1.1-1.3a3.3 3.3 0 0 0 0-5z"],
  muted: ["M4 9v6h4l5 4V5L8 9z", "M15 9.7 16.3 8.4 18.5 10.6 20.7 8.4 22 9.7 19.8 11.9 22 14.1 20.7 15.4 18.5 13.2 16.3 15.4 15 14.1 17.2 11.9z"],
};

/**
 * A new element. Of `properties`, "onclick" and the like are listeners, `data` becomes data-attributes, `style` is an
 * object of CSS properties; anything else is an attribute. null, undefined and false leave an attribute or child out.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "data") setData(element, value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

function setData(element, values) {
  for (const [name, value] of Object.entries(values))
    if (value !== undefined && value !== null) element.dataset[name] = value;
}

/** A new element of SVG. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An icon of `ICONS`, hidden from screen readers. */
export function icon(name, className = "") {
  const paths = ICONS[name].map((d) => svg("path", { d }));
  return svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: `kz-icon ${className}`.trim() }, ...paths);
}

/** A button with a text; `properties` as for `el`. */
export function button(text, properties = {}) {
  return el("button", { type: "button", ...properties }, text);
}

/** A button with an icon; `label` is its name and its tip. */
export function iconButton(name, label, properties = {}) {
  return el("button", { type: "button", "aria-label": label, title: label, ...properties }, icon(name));
}

/** A box for a description of music. */
export function queryInput(properties) {
  return el("input", { type: "search", dir: "auto", maxlength: MAX_QUERY_LETTERS, autocomplete: "off", enterkeyhint: "search", ...properties });
}

/** Texts that stay the same are left alone: screen readers and selections notice each change. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Where on a line the mouse is, from 0 to 1. */
export function shareAt(line, event) {
  const box = line.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
}
