// Elements and icons. A text becomes a text node, never markup: titles come from files that anyone may have written.
const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  play: ["M8 5.5v13l11-6.5z"],
  pause: ["M7 5.5h3.6v13H7z", "M13.4 5.5H17v13h-3.6z"],
  next: ["M6 5.5v13l8.5-6.5z", "M15.5 5.5h2.6v13h-2.6z"],
  previous: ["M18 5.5v13L9.5 12z", "M6 5.5h2.6v13H6z"],
  close: ["M6.4 5 12 10.6 17.6 5 19 6.4 13.4 12 19 17.6 17.6 19 12 13.4 6.4 19 5 17.6 10.6 12 5 6.4z"],
  down: ["M6.5 9 12 14.5 17.5 9l1.2 1.3L12 17l-6.7-6.7z"],
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
