// The map's legend: a button for each colour, which shows the tracks of that colour alone.
import { button, el } from "./dom.js";
import { number, t } from "./i18n.js";
import { slot } from "./maplook.js";

/** `show(colouring)` brings it up to date; `onOnly(slot or null)` is told which colour alone is to be shown. */
export function createLegend(onOnly) {
  const element = el("div", { class: "kz-legend", role: "group", "aria-label": t("map.legend") });
  let shown = null;

  function show({ by, names, counts }) {
    const key = JSON.stringify([by, names, counts]);
    if (key === shown) return;
    if (shown !== null) onOnlyLater(null);
    shown = key;
    const others = counts[names.length] + counts[names.length + 1];
    const entries = names.map((name, i) => [name, i, counts[i]]);
    if (others) entries.push([t(counts[names.length] ? "map.other" : "map.none"), 9, others]);
    element.replaceChildren(...entries.map((entry) => kind(...entry)));
  }

  function kind(name, place, count) {
    const made = button("", { class: `kz-kind kz-hue-${slot(place)}`, "aria-pressed": "false", onclick: () => press(made, place) });
    made.append(el("span", { dir: "auto" }, name), el("span", { class: "kz-count" }, number(count)));
    return made;
  }

  function press(pressed, place) {
    const isOn = pressed.getAttribute("aria-pressed") !== "true";
    for (const one of element.children) one.setAttribute("aria-pressed", String(isOn && one === pressed));
    onOnly(isOn ? place : null);
  }

  // Not while it is being shown: that is what paints the map
  const onOnlyLater = (only) => queueMicrotask(() => onOnly(only));

  return { element, show };
}
