// The tab "Tag": any labels, and how well they fit a clip.
import { get, isStale } from "./api.js";
import { createClipInput } from "./clips.js";
import { el } from "./dom.js";
import { t } from "./i18n.js";
import { announce, notice } from "./notices.js";
import { figureOf, scoreBar } from "./score.js";
import { go } from "./state.js";

const LABELS =
  "piano, guitar, violin, flute, trumpet, organ, drums, synthesizer, choir, classical, jazz, rock, techno, folk";
const MAX_LETTERS = 2000;
const FULL_COSINE = 0.5; // of a full bar, at least: few pairs of a sound and a label reach it

function createTab() {
  const clip = createClipInput("clip-tag");
  const labels = el("textarea", { id: "labels", rows: 3, maxlength: MAX_LETTERS, dir: "auto", spellcheck: "false" });
  const form = el(
    "form",
    { class: "kz-labels", onsubmit: submit },
    el("label", { for: "labels" }, t("tag.labels")),
    labels,
    el("button", { class: "kz-primary" }, t("tag.apply")),
  );
  const chart = el("div", { class: "kz-tagged" });
  let shown = "";

  function submit(event) {
    event.preventDefault();
    const text = labels.value.trim();
    if (!text) return answer(notice(t("error.labels_missing")));
    go({ labels: text === LABELS ? "" : text });
  }

  function answer(...elements) {
    chart.replaceChildren(...elements);
  }

  async function show(state) {
    const wanted = state.labels || LABELS;
    const asked = JSON.stringify([state.clip, wanted]);
    clip.show(state.clip);
    if (asked === shown) return;
    shown = asked;
    labels.value = wanted;
    if (!state.clip) return answer();
    chart.setAttribute("aria-busy", "true");
    try {
      const tags = await get(`clips/${encodeURIComponent(state.clip)}/tags`, { labels: wanted }, "tags");
      answer(el("h2", { class: "kz-heading" }, t("tag.heading")), bars(tags));
      announce(t("tag.found", { label: tags[0][0] }));
    } catch (error) {
      if (isStale(error)) return;
      shown = "";
      answer(notice(error.message));
    } finally {
      chart.removeAttribute("aria-busy");
    }
  }

  function bars(tags) {
    const full = Math.max(FULL_COSINE, tags[0][1]);
    const bar = ([label, score]) =>
      el(
        "li",
        {},
        el("span", { class: "kz-label", dir: "auto" }, label),
        scoreBar(score, full),
        el("span", { class: "kz-figure", title: t("tag.cosine") }, figureOf(score)),
      );
    return el("ol", { class: "kz-chart" }, tags.map(bar));
  }

  return {
    show,
    mount: (panel) => panel.append(el("div", { class: "kz-columns" }, el("div", {}, clip.element, form), chart)),
  };
}

export const tagTab = { id: "tag", create: createTab };
