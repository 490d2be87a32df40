// How the map's points look: their colours, which of them are lit, and which are faint.

const FAINT = 0.2; // of a few points; of many, which lie upon each other, less
const PLAIN = 0.85;

/** The map's colours in this theme: [red, green, blue] of each; the last one is for other values and for none. */
export function palette(element) {
  const style = getComputedStyle(element);
  return Array.from({ length: 10 }, (_, i) => bytes(style.getPropertyValue(`--kz-hue-${i}`).trim()));
}

const bytes = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) || 0);

/**
 * Colours (RGBA bytes) and lifts (1: above the others) of all points.
 *
 * Args: `colours` the number of each point's colour; `lit` a Map from point to strength in (0, 1] of those that a search
 * found, or null; `passing` a Set of points that a filter lets through, or null; `only` the one colour that is shown, or null.
 */
export function look(colours, hues, { lit, passing, only }) {
  const n = colours.length;
  const rgba = new Uint8Array(4 * n);
  const lifts = new Uint8Array(n);
  const faint = Math.max(0.05, FAINT / Math.max(1, n / 2000) ** 0.3);
  for (let i = 0; i < n; i += 1) {
    const strength = lit?.get(i);
    const isIn = (!passing || passing.has(i)) && (only === null || slot(colours[i]) === only);
    const isFaint = !isIn || (lit && strength === undefined);
    const alpha = isFaint ? faint : lit ? 0.5 + 0.5 * strength : PLAIN;
    rgba.set(hues[isFaint ? 9 : slot(colours[i])], 4 * i);
    rgba[4 * i + 3] = Math.round(255 * alpha);
    lifts[i] = isIn && strength !== undefined ? 1 : 0;
  }
  return { rgba, lifts };
}

/** The place of a colour number in the palette. */
export const slot = (colour) => Math.min(colour, 9);
