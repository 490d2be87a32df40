// In the tab "Listen like this": the tracks that sound like one of the library, or like a clip, but ...
import { clipName } from "./clips.js";
import { el, queryInput } from "./dom.js";
import { createFilters } from "./filters.js";
import { t } from "./i18n.js";
import { createAnswers } from "./results.js";
import { noticesOf } from "./search.js";
import { go } from "./state.js";

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
  const filters = createFilters();
  const answers = createAnswers("similar", { kind: "sound", noticesOf, nothing: () => t(isEmpty ? "library.empty" : "similar.nothing") });
  const element = el("section", { hidden: true }, heading, form, filters.element, answers.element);
  let shown = "";
  let example = ""; // the track or the clip
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
    const params = { ...seed, but: state.but ?? "", minus: state.minus ?? "", where: state.where ?? "" };
    const asked = JSON.stringify(params);
    if (asked === shown) return;
    if (example !== chosen) name.textContent = state.like ? UNKNOWN : clipName(state.clip);
    [shown, example] = [asked, chosen];
    but.value = params.but;
    const answer = await answers.show(params);
    if (answer?.track && example === state.like) {
      name.textContent = answer.track.title;
      retitle();
    }
  }

  const title = () => (example && name.textContent !== UNKNOWN ? t("similar.title", { title: name.textContent }) : "");

  return { element, show, title };
}
