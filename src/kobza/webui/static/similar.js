// In the tab "Listen like this": the tracks that sound like one of the library, or like a clip, but ...
import { clipName } from "./clips.js";
import { button, el, icon, queryInput } from "./dom.js";
import { createChoice, createFilters, createLimit } from "./filters.js";
import { t } from "./i18n.js";
import { createAnswers } from "./results.js";
import { noticesOf } from "./search.js";
import { go, listOf, state as now } from "./state.js";

const UNKNOWN = "…"; // until the server has said the title

/**
 * `element` goes into the tab; `show(state, library)` brings it up to date; it is hidden while no track and no clip is chosen.
 * `retitle` is called when `title()` changes.
 */
export function createSimilar(retitle) {
  const name = el("em", { dir: "auto" });
  const heading = el("h2", { class: "kz-heading", tabindex: "-1" }, t("similar.heading"), " ", name);
  const but = queryInput({ id: "but", placeholder: t("but.placeholder") });
  const form = el(
    "form",
    { class: "kz-ask kz-but-form", onsubmit: submit },
    el("label", { for: "but" }, t("but.label")),
    but,
    el("button", { class: "kz-secondary" }, t("but.apply")),
  );
  const unlike = el("div", { class: "kz-filters" });
  const by = createChoice("by", ["track", "moment"], t("by.label"), (value) => t(`by.${value}`));
  const limit = createLimit();
  const filters = createFilters([el("span", { class: "kz-orders" }, by.element, limit.element)]);
  const answers = createAnswers("similar", { kind: "sound", noticesOf, nothing: () => t(isEmpty ? "library.empty" : "similar.nothing") });
  const element = el("section", { hidden: true }, heading, form, unlike, filters.element, answers.element);
  let shown = "";
  let example = ""; // the tracks or the clip
  let isEmpty = false;
  // Where the visitor goes on: the button that was used is in another tab now, or its row is gone.
  document.addEventListener("kz-like", ({ detail }) => (detail.asks ? but : heading).focus());

  function submit(event) {
    event.preventDefault();
    go({ but: but.value.trim() });
  }

  async function show(state, library) {
    const seed = state.like ? { link: state.like } : { clip: state.clip };
    const chosen = state.like || state.clip;
    element.hidden = !chosen;
    if (!chosen) {
      shown = example = "";
      return;
    }
    isEmpty = library.is_empty;
    filters.show(state, library.fields);
    by.show(state);
    limit.show(state, library.fields);
    const { but: text = "", minus = "", where = "", per_artist = "", per_album = "" } = state;
    const params = { ...seed, but: text, minus, where, by: state.by ?? "", per_artist, per_album };
    const asked = JSON.stringify(params);
    if (asked === shown) return;
    if (example !== chosen) name.textContent = state.like ? UNKNOWN : clipName(state.clip);
    [shown, example] = [asked, chosen];
    but.value = params.but;
    if (!minus) unlike.replaceChildren();
    const answer = await answers.show(params);
    if (!answer) return;
    unlike.replaceChildren(...answer.minus.map(refused));
    if (!answer.tracks.length) return;
    const [{ title: first }, ...others] = answer.tracks;
    name.textContent = others.length ? t("similar.several", { title: first, n: others.length }) : first;
    heading.title = answer.tracks.map((track) => track.title).join("\n");
    retitle();
  }

  /** A chip for a track that the answers should not sound like. */
  function refused({ link, title: refusedTitle }) {
    const text = t("unlike", { title: refusedTitle });
    const onclick = () => {
      go({ minus: listOf(now().minus).filter((one) => one !== link).join(",") });
      heading.focus();
    };
    const label = t("filter.remove", { filter: text });
    const chip = button("", { class: "kz-chip", "aria-pressed": "true", title: text, "aria-label": label, onclick });
    chip.append(el("span", { dir: "auto" }, text), icon("close"));
    return chip;
  }

  const title = () => (example && name.textContent !== UNKNOWN ? t("similar.title", { title: name.textContent }) : "");

  return { element, show, title };
}
