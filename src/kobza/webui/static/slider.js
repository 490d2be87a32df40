// A slider for the mouse, a finger and the keys: the line of the player on which one seeks, and its volume.
import { el } from "./dom.js";

/**
 * A native range input with steps of its own for the keys. `set(value, max, text)` shows a value.
 *
 * Args: `small` and `large` are the steps of arrow keys and of Page Up and Down; `onchange(value)` is called when
 * somebody has chosen a value, `onpreview(value)` while a finger or the mouse still moves.
 */
export function createSlider({ label, small, large, onchange, onpreview = () => {} }) {
  let isHeld = false;
  const element = el("input", {
    type: "range",
    class: "kz-slider",
    dir: "ltr", // time and loudness grow to the right in every language
    min: 0,
    max: 1,
    step: "any",
    value: 0,
    "aria-label": label,
    oninput: () => {
      isHeld = true;
      show();
      onpreview(Number(element.value));
    },
    onchange: () => {
      isHeld = false;
      onchange(Number(element.value));
    },
    onkeydown: (event) => {
      const step = { ArrowRight: small, ArrowUp: small, ArrowLeft: -small, ArrowDown: -small, PageUp: large, PageDown: -large }[event.key];
      const target = event.key === "Home" ? 0 : event.key === "End" ? Number(element.max) : step && Number(element.value) + step;
      if (target === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      onchange(Math.min(Number(element.max), Math.max(0, target)));
    },
  });

  function show() {
    element.style.setProperty("--share", `${(100 * Number(element.value)) / (Number(element.max) || 1)}%`);
  }

  function set(value, max, text) {
    if (isHeld) return;
    element.max = String(max);
    element.value = String(value);
    element.setAttribute("aria-valuetext", text);
    show();
  }

  return { element, set, isHeld: () => isHeld };
}
