// Filters as chips, made of the library's own values: a button for each field opens a list of them.
import { get, isStale } from "./api.js";
import { button, el, icon } from "./dom.js";
import { number, t } from "./i18n.js";
import { announce } from "./notices.js";
import { go, state } from "./state.js";
import { CHIPS, formatWhere, parseWhere } from "./where.js";

const MANY = 12; // values, from which on the list has a box to search in it

/** What a chip's value is called. */
function valueLabel(chip, value) {
  if (chip !== "length") return value;
  const [from, to] = value.split("..").map((end) => end.split(":")[0]);
  if (!from) return t("length.under", { to });
  return to ? t("length.between", { from, to }) : t("length.over", { from });
}

/**
 * A row of chips for the fields of which the library has values. `element` goes on the page; `show(state, fields)`
 * brings it up to date. `extra`: elements that stand behind the chips.
 */
export function createFilters(extra = []) {
  const element = el("div", { class: "kz-filters", role: "group", "aria-label": t("filters") });
  const chips = Object.fromEntries(CHIPS.map((chip) => [chip, createChip(chip)]));
  const clear = button(t("filter.clear"), { class: "kz-chip kz-clear", onclick: () => change({ where: "" }) });
  const other = removable({ rest: "" });
  const area = removable({ area: [] });
  nameRemovable(area, t("filter.area"));
  element.append(...CHIPS.map((chip) => chips[chip].element), area, other, clear, ...extra);

  /** The button that was used may be gone afterwards: the first chip has the focus then, not nothing. */
  function change(changes) {
    go(changes);
    if (document.activeElement === document.body) element.querySelector("button:not([hidden])")?.focus();
  }

  /** A chip that only goes: the filter without it has `emptied`. */
  function removable(emptied) {
    const onclick = () => change({ where: formatWhere({ ...parseWhere(state().where ?? ""), ...emptied }) });
    return button("", { class: "kz-chip", "aria-pressed": "true", onclick });
  }

  function nameRemovable(chip, filter) {
    chip.replaceChildren(filter, icon("close"));
    chip.setAttribute("aria-label", t("filter.remove", { filter }));
    chip.title = filter;
  }

  function show({ where = "" }, fields) {
    const filter = parseWhere(where);
    for (const chip of CHIPS) chips[chip].show(filter, fields.includes(chip) || filter[chip].length > 0);
    area.hidden = !filter.area.length;
    other.hidden = !filter.rest;
    nameRemovable(other, filter.rest);
    clear.hidden = !where;
  }

  return { element, show };
}

let count = 0;

function createChip(chip) {
  const id = `kz-values-${(count += 1)}`;
  const label = t(`filter.${chip}`);
  const text = el("span", { dir: "auto" });
  const opener = el(
    "button",
    { type: "button", class: "kz-chip", popovertarget: id, "aria-haspopup": "dialog" },
    text,
    icon("down"),
  );
  const list = el("div", { class: "kz-values" });
  const find = el("input", {
    type: "search",
    class: "kz-find",
    placeholder: t("filter.find"),
    "aria-label": t("filter.find"),
    oninput: () => load(find.value),
  });
  const panel = el(
    "div",
    { popover: "auto", id, class: "kz-popover", role: "dialog", "aria-label": label },
    find,
    list,
  );
  const element = el("span", { class: "kz-filter" }, opener, panel);

  panel.addEventListener("beforetoggle", (event) => {
    if (event.newState !== "open") return;
    place(panel, opener);
    find.value = "";
    find.hidden = true;
    list.replaceChildren();
    load();
  });

  async function load(like = "") {
    const filter = parseWhere(state().where ?? "");
    try {
      const values = await get("values", { field: chip, where: formatWhere(filter, chip), like }, `values-${chip}`);
      if (!like) find.hidden = values.length < MANY;
      const known = new Set(values.map(([value]) => value));
      const chosen = like ? [] : filter[chip].filter((value) => !known.has(value)).map((value) => [value, 0]);
      list.replaceChildren(...[...chosen, ...values].map((entry) => choice(entry, filter[chip])));
      if (!list.childElementCount) list.append(el("p", { class: "kz-note" }, t("filter.none")));
      if (!like && !panel.contains(document.activeElement)) panel.querySelector("input:not([hidden])")?.focus();
    } catch (error) {
      if (isStale(error)) return;
      list.replaceChildren(el("p", { class: "kz-note" }, error.message));
      announce(error.message);
    }
  }

  function choice([value, tracks], chosen) {
    const box = el("input", { type: "checkbox", onchange: () => toggle(value, box.checked) });
    box.checked = chosen.includes(value);
    return el(
      "label",
      { class: "kz-value" },
      box,
      el("span", { class: "kz-value-name", dir: "auto", title: valueLabel(chip, value) }, valueLabel(chip, value)),
      el("span", { class: "kz-count" }, number(tracks)),
    );
  }

  function toggle(value, isChosen) {
    const filter = parseWhere(state().where ?? "");
    const others = filter[chip].filter((one) => one !== value);
    go({ where: formatWhere({ ...filter, [chip]: isChosen ? [...others, value] : others }) });
  }

  function show(filter, isKnown) {
    const chosen = filter[chip].map((value) => valueLabel(chip, value));
    element.hidden = !isKnown;
    text.textContent = chosen.length ? chosen.join(", ") : label;
    opener.setAttribute("aria-label", chosen.length ? `${label}: ${chosen.join(", ")}` : label);
    opener.classList.toggle("kz-chosen", chosen.length > 0);
  }

  return { element, show };
}

/** Below its button, and within the window. */
function place(panel, opener) {
  const box = opener.getBoundingClientRect();
  const width = Math.min(320, innerWidth - 24);
  panel.style.setProperty("width", `${width}px`);
  panel.style.setProperty("left", `${Math.max(12, Math.min(box.left, innerWidth - width - 12))}px`);
  const below = innerHeight - box.bottom - 12;
  const isAbove = below < 240 && box.top > below;
  panel.style.setProperty("top", isAbove ? "auto" : `${box.bottom + 6}px`);
  panel.style.setProperty("bottom", isAbove ? `${innerHeight - box.top + 6}px` : "auto");
  panel.style.setProperty("max-height", `${Math.max(180, (isAbove ? box.top : below) - 12)}px`);
}

const LIMITS = ["", "per_artist=1", "per_artist=2", "per_artist=3", "per_album=1", "per_album=2", "per_album=3"];

/** How many answers of one artist, or of one album, kept in the state as `per_artist` and `per_album`. */
export function createLimit() {
  const option = (value) => el("option", { value }, value ? textOf(value) : t("limit.none"));
  const textOf = (value) => [...new URLSearchParams(value)].map(([name, n]) => t(`limit.${name}`, { n })).join(", ");
  const select = el(
    "select",
    {
      class: "kz-chip kz-select",
      "aria-label": t("limit.label"),
      onchange: () => go({ per_artist: "", per_album: "", ...Object.fromEntries(new URLSearchParams(select.value)) }),
    },
    LIMITS.map(option),
  );

  function show({ per_artist = "", per_album = "" }, fields) {
    const chosen = new URLSearchParams(Object.entries({ per_artist, per_album }).filter(([, n]) => n)).toString();
    if (![...select.options].some(({ value }) => value === chosen)) select.append(option(chosen)); // of a written link
    select.value = chosen;
    select.hidden = !fields.includes("artist") && !chosen;
  }

  return { element: select, show };
}

/** A choice of one of several, kept in the state under `key`; the first is the default, which the address leaves out. */
export function createChoice(key, values, label, textOf) {
  const select = el(
    "select",
    {
      class: "kz-chip kz-select",
      "aria-label": label,
      onchange: () => go({ [key]: select.value === values[0] ? "" : select.value }),
    },
    values.map((value) => el("option", { value }, textOf(value))),
  );
  return {
    element: select,
    show: (current) => (select.value = values.includes(current[key]) ? current[key] : values[0]),
  };
}
