// The tab "Search": a description, filters, and the answers.
import { button, el, queryInput } from "./dom.js";
import { createChoice, createFilters, createLimit } from "./filters.js";
import { knows, t } from "./i18n.js";
import { notice } from "./notices.js";
import { createAnswers } from "./results.js";
import { go } from "./state.js";

const EXAMPLES = [
  "slow sad piano",
  "church organ",
  "fast drum solo",
  "solo flute melody",
  "choir singing softly",
  "distorted electric guitar rock",
  "music box lullaby",
  "string orchestra, slow and sad",
];

/** The parameters of api/search for a state. */
const searchParams = ({ q = "", where = "", by = "", match = "", per_artist = "", per_album = "" }) => ({
  ...{ q, where, by, match },
  ...{ per_artist, per_album },
});

/** What the server says of an answer, as elements. Shared with the tab of similar tracks. */
export function noticesOf({ notes = [], terms = [] }) {
  const elements = notes.map((note) => notice(knows(`note.${note.code}`) ? t(`note.${note.code}`, note) : note.text));
  if (terms.length > 1 || terms.some(({ weight }) => weight !== 1))
    elements.push(
      el("p", { class: "kz-note kz-terms", dir: "auto" }, t("note.terms", { terms: terms.map(termText).join(" · ") })),
    );
  return elements;
}

function termText({ text, weight }) {
  const amount = Math.abs(weight);
  const term = amount === 1 ? text : `${text} ×${amount}`;
  return weight < 0 ? t("term.without", { term }) : term;
}

function createTab() {
  const query = queryInput({
    id: "query",
    name: "q",
    placeholder: t("search.placeholder"),
    "aria-label": t("search.label"),
    "aria-describedby": "kz-hint",
  });
  const form = el(
    "form",
    { class: "kz-ask", role: "search", onsubmit: submit },
    query,
    el("button", { class: "kz-primary" }, t("search")),
  );
  const hint = el(
    "span",
    { class: "kz-hint", id: "kz-hint" },
    t("hint"),
    ["hint.without", "hint.stress"].flatMap((key) => [
      " ",
      button(t(key), { class: "kz-link", onclick: () => add(t(key)) }),
    ]),
  );
  const examples = el(
    "div",
    { class: "kz-examples", role: "group", "aria-label": t("search.examples") },
    EXAMPLES.map((text) => button(text, { class: "kz-chip", onclick: () => go({ q: text }) })),
    hint,
  );
  const by = createChoice("by", ["track", "moment"], t("by.label"), (value) => t(`by.${value}`));
  const match = createChoice("match", ["both", "sound", "tags"], t("match.label"), (value) => t(`match.in.${value}`));
  const limit = createLimit();
  const filters = createFilters([el("span", { class: "kz-orders" }, by.element, match.element, limit.element)]);
  const answers = createAnswers("search", {
    kind: "text",
    noticesOf,
    nothing: (params) => t(params.match === "tags" ? "search.nothing.tags" : "search.nothing"),
  });
  let shown = ""; // the address of what is asked
  let version = "";

  function submit(event) {
    event.preventDefault();
    const q = query.value.trim();
    if (q) go({ q });
    else answers.fail(new Error(t("error.query_empty")));
    if (q && matchMedia("(pointer: coarse)").matches) query.blur(); // the phone's keyboard would cover the answers
  }

  function add(term) {
    query.value = `${query.value.trim()} ${term}`.trim();
    query.focus();
  }

  async function show(state, library) {
    filters.show(state, library.fields);
    by.show(state);
    match.show(state);
    limit.show(state, library.fields);
    const params = searchParams(state);
    const asked = JSON.stringify(params);
    if (asked === shown && (library.version === version || answers.hits.length)) return;
    if (asked !== shown) query.value = params.q;
    [shown, version] = [asked, library.version];
    if (library.is_empty) answers.fail(new Error(t("library.empty")));
    else if (params.q || params.where) await answers.show(params, el("h2", { class: "kz-unseen" }, t("search.answers")));
    else
      await answers.show(
        { ...params, q: EXAMPLES[0] },
        el("h2", { class: "kz-heading" }, t("search.example"), " ", el("em", {}, EXAMPLES[0])),
      );
  }

  /** Ask again, as after a change of the library. */
  function refresh(state, library) {
    shown = "";
    return show(state, library);
  }

  return {
    show,
    refresh,
    mount: (panel) => panel.append(form, examples, filters.element, answers.element),
    focus: () => query.focus({ preventScroll: true }),
    title: ({ q }) => q,
  };
}

export const searchTab = { id: "search", create: createTab };
