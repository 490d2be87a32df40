// The curve of match: how well a description fits each moment of a recording, drawn under the line on which one seeks.

import { get } from "./api.js";
import { svg } from "./dom.js";

const LEAST = 0.03; // of the height, so that one sees where a curve is
const BINS = 240; // of a curve at most: a long mix has thousands of windows, the row some hundred pixels
const MAX_LINKS = 50; // in one request
const KEPT = 1000; // curves

const curves = new Map(); // "link subject" -> promise of the curve, or of null if there is none
let waiting = new Map(); // subject -> [[link, resolve]]

// The curve of a track for a `subject`, which is {q: description}, {like: link} or {clip: id}:
// {starts, scores, end, full, best}, or null. Asked for once; those of one moment travel together.
export function curveOf(link, subject) {
  const text = JSON.stringify(subject);
  const key = `${link} ${text}`;
  if (!curves.has(key)) {
    const promise = new Promise((resolve) => {
      if (!waiting.size) setTimeout(ask);
      if (!waiting.has(text)) waiting.set(text, []);
      waiting.get(text).push([link, resolve]);
    });
    promise.then((curve) => curve || curves.delete(key)); // asked again when it is needed again
    curves.set(key, promise);
    if (curves.size > KEPT) curves.delete(curves.keys().next().value);
  }
  return curves.get(key);
}

function ask() {
  const asked = waiting;
  waiting = new Map();
  for (const [text, links] of asked)
    for (let i = 0; i < links.length; i += MAX_LINKS) answer(JSON.parse(text), links.slice(i, i + MAX_LINKS));
}

async function answer(subject, links) {
  let found = {};
  try {
    found = await get("curves", { ...subject, links: links.map(([link]) => link).join(",") });
  } catch {
    // Answers without curves are answers still.
  }
  for (const [link, resolve] of links) resolve(found[link] ?? null);
}

// Points (x, y) from 0 to 1 of a curve: the middle of each window, or of several windows the best.
function pointsOf({ starts, scores, end, full }, duration) {
  const length = Math.max(duration, end) || 1;
  const step = Math.ceil(scores.length / BINS);
  const points = [];
  for (let i = 0; i < scores.length; i += step) {
    const last = Math.min(i + step, scores.length);
    const middle = (starts[i] + (starts[last] ?? end)) / 2;
    const best = Math.max(...scores.slice(i, last));
    points.push([middle / length, Math.min(1, Math.max(LEAST, best / full))]);
  }
  return points;
}

// A drawing of a curve, to be stretched over the line of a recording that is `duration` seconds long.
export function drawCurve(curve, duration) {
  const path = svg("path", { d: pathOf(pointsOf(curve, duration)) });
  return svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" }, path);
}

function pathOf(points) {
  const at = ([x, y]) => [Math.round(1000 * x * 10) / 10, Math.round(1000 * (1 - y)) / 10];
  const [first, ...rest] = points.map(at);
  let path = `M0 100V${first[1]}H${first[0]}`;
  let before = first;
  for (const point of rest) {
    const middle = (before[0] + point[0]) / 2; // level at each point, so that nothing rises above the scores
    path += `C${middle} ${before[1]} ${middle} ${point[1]} ${point[0]} ${point[1]}`;
    before = point;
  }
  return `${path}H1000V100Z`;
}
