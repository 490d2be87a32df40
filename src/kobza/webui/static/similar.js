// In the tab "Listen like this": the tracks that sound like one of the library, but ...
import { el } from "./dom.js";
import { createFilters } from "./filters.js";
import { t } from "./i18n.js";
import { createAnswers } from "./results.js";
import { noticesOf } from "./search.js";
import { go } from "./state.js";

const UNKNOWN = "…"; // until the server has said the title

/**
 * `element` goes into the tab; `show(state, library)` brings it up to date; it is hidden while no track is chosen.
 * `retitle` is called when `title()` changes.
 */
export function createSimilar(retitle) {
  const name = el("em", { dir: "auto" });
  const heading = el("h2", { class: "kz-heading", tabindex: "-1" }, t("similar.heading"), " ", name);
  const but = el("input", {
    id: "but",
    type: "search",
    dir: "auto",
    maxlength: 400,
    placeholder: t("but.placeholder"),
    autocomplete: "off",
    enterkeyhint: "search",
  });
  const form = el(
    "form",
    { class: "kz-ask kz-but-form", onsubmit: submit },
    el("label", { for: "but" }, t("but.label")),
    but,
    el("button", { class: "kz-secondary" }, t("but.apply")),
  );
  const filters = createFilters();
  const answers = createAnswers("similar", { kind: "sound", noticesOf, nothing: () => t("similar.nothing") });
  const element = el("section", { class: "kz-similar", hidden: true }, heading, form, filters.element, answers.element);
  let shown = "";
  let track = "";
  // Where the visitor goes on: the button that was used is in another tab now, or its row is gone.
  document.addEventListener("kz-like", ({ detail }) => (detail.asks ? but : heading).focus());

  function submit(event) {
    event.preventDefault();
    go({ but: but.value.trim() });
  }

  async function show(state, library) {
    element.hidden = !state.like;
    if (!state.like) {
      shown = track = "";
      return;
    }
    filters.show(state, library.fields);
    const params = { link: state.like, but: state.but ?? "", minus: state.minus ?? "", where: state.where ?? "" };
    const asked = JSON.stringify(params);
    if (asked === shown) return;
    if (track !== state.like) name.textContent = UNKNOWN;
    [shown, track] = [asked, state.like];
    but.value = params.but;
    const answer = await answers.show(params);
    if (answer?.track && track === state.like) {
      name.textContent = answer.track.title;
      retitle();
    }
  }

  const title = () => (track && name.textContent !== UNKNOWN ? t("similar.title", { title: name.textContent }) : "");

  return { element, show, title };
}
