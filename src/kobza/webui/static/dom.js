// Elements and icons. A text becomes a text node, never markup: titles come from files that anyone may have written.
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

/** An icon of `ICONS`, hidden from screen readers. `classes`: one for each of its paths, or one for the whole. */
export function icon(name, className = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `kz-icon ${className}`.trim());
  for (const d of ICONS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/** A button with a text; `properties` as for `el`. */
export function button(text, properties = {}) {
  return el("button", { type: "button", ...properties }, text);
}
