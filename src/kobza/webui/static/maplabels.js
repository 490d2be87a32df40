// Names on the map: of regions and, where there is room, of tracks. None covers another one.
import { el } from "./dom.js";

const GAP = 4; // pixels between names
const EDGE = 2; // and around them all

/** Place `stage.names` in `container`, the first ones first; those without room, or outside, are left out. */
export function placeLabels(container, stage, view) {
  const elements = elementsOf(container, stage.names);
  const taken = stage.dots.map((i) => dotBox(stage, view, i));
  for (const [k, { x, y, offset = 0 }] of stage.names.entries()) {
    const element = elements[k];
    const [left, top] = view.toScreen(x, y);
    const { width, height } = sizeOf(element);
    const box = boxesAround(view, left, top, width, height, offset && offset + stage.size() / 2 + GAP).find((one) => isFree(one, taken, view));
    element.hidden = !box;
    if (!box) continue;
    taken.push(box);
    element.style.transform = `translate(${Math.round(box[0])}px, ${Math.round(box[1])}px)`;
  }
}

/** What a point covers, where points are so few that no name should lie on one. */
function dotBox({ points, size }, view, i) {
  const [left, top] = view.toScreen(points.x[i], points.y[i]);
  const radius = size() / 2 - 1;
  return [left - radius, top - radius, left + radius, top + radius];
}

/** One element for each name, kept as long as the names are the same ones. */
function elementsOf(container, names) {
  if (container.names !== names) {
    container.names = names;
    container.replaceChildren(...names.map(({ text, className }) => el("span", { class: className, dir: "auto" }, text)));
    for (const element of container.children) element.size = null;
  }
  return container.children;
}

/** Measured once: to ask a hundred elements in each frame would be slow. */
function sizeOf(element) {
  if (!element.size?.width) {
    element.hidden = false;
    element.size = { width: element.offsetWidth, height: element.offsetHeight };
  }
  return element.size;
}

/** The places for a name: on the spot, within what is seen, or at `offset` pixels to the right, left, above and below it. */
function boxesAround(view, left, top, width, height, offset) {
  const at = (x, y) => [x, y, x + width, y + height];
  if (!offset && view.shows(left, top)) return [at(within(left - width / 2, view.width - width), within(top - height / 2, view.height - height))];
  if (!offset) return [];
  return [
    at(left + offset, top - height / 2),
    at(left - offset - width, top - height / 2),
    at(left - width / 2, top - offset - height),
    at(left - width / 2, top + offset),
  ];
}

const within = (place, most) => Math.max(EDGE, Math.min(place, most - EDGE));

function isFree([left, top, right, bottom], taken, view) {
  if (left < EDGE || top < EDGE || right > view.width - EDGE || bottom > view.height - EDGE) return false;
  return !taken.some(([l, t, r, b]) => left < r + GAP && l < right + GAP && top < b + GAP && t < bottom + GAP);
}
