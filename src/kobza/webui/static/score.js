// How well something fits, as a bar and as a figure.
import { el } from "./dom.js";

/** A bar of which `full` fills all. */
export function scoreBar(score, full) {
  const share = `${Math.round(100 * Math.min(1, Math.max(0, score / full)))}%`;
  return el("span", { class: "kz-bar" }, el("i", { style: { width: share } }));
}

/** Two decimals, and no "-0.00". */
export const figureOf = (score) => score.toFixed(2).replace(/^-(0\.00)$/, "$1");
