// "Where in this recording is ...": the curve of match of one recording, and its best moments.
import { get, isStale } from "./api.js";
import { drawCurve } from "./curve.js";
import { button, el, iconButton, queryInput, shareAt } from "./dom.js";
import { clock, t } from "./i18n.js";
import { announce, notice } from "./notices.js";
import { player } from "./player.js";

/**
 * Open "Where in this recording is ..." for a hit, or for an uploaded clip: {clip: its id, src: the address of its sound,
 * track: {link: any text of its own, title, artist, duration}}.
 */
export function locate(hit) {
  document.dispatchEvent(new CustomEvent("kz-locate", { detail: hit }));
}

/** A panel: `element`, `choose(hit)` says of which recording, `onclose` is called when it is to go. */
export function createLocator() {
  const title = el("em", { dir: "auto" });
  const query = queryInput({ placeholder: t("locate.placeholder"), "aria-label": t("locate.label") });
  const form = el("form", { class: "kz-ask", onsubmit: submit }, query, el("button", { class: "kz-secondary" }, t("locate")));
  const result = el("div");
  const element = el(
    "section",
    { class: "kz-locator", "aria-label": t("locate.title") },
    el(
      "header",
      {},
      el("h2", { class: "kz-heading" }, t("locate.title"), " ", title),
      iconButton("close", t("close"), { class: "kz-control", onclick: () => panel.onclose() }),
    ),
    form,
    result,
  );
  const panel = { element, choose, focus: () => query.focus(), onclose: () => {} };
  let hit = null;
  let head = null; // the line that shows where the recording plays

  function choose(chosen) {
    if (!chosen || chosen.track.link === hit?.track.link) return;
    hit = chosen;
    title.textContent = hit.track.title;
    query.value = hit.subject?.q ?? query.value;
    result.replaceChildren();
    head = null;
    if (query.value) submit();
  }

  async function submit(event) {
    event?.preventDefault();
    const [q, mine] = [query.value.trim(), hit];
    if (!q) return void result.replaceChildren(notice(t("error.query_empty")));
    try {
      const place = hit.clip ? { clip: hit.clip } : { link: hit.track.link };
      const curve = await get("moments", { ...place, q }, "locate");
      if (mine === hit) show(curve, q);
    } catch (error) {
      if (!isStale(error)) result.replaceChildren(notice(error.message));
    }
  }

  function show(curve, q) {
    const duration = Math.max(hit.track.duration, curve.end);
    const playAt = (seconds) => play(seconds, q);
    head = el("i", { class: "kz-head" });
    const line = el("div", { class: "kz-locator-line", dir: "ltr" }, drawCurve(curve, duration), head);
    line.addEventListener("click", (event) => playAt(shareAt(line, event) * duration));
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => el("span", {}, clock(share * duration)));
    const moments = curve.best.map((moment) => {
      const span = `${clock(moment.start)} – ${clock(moment.end)}`;
      const match = t(`match.${moment.match}`);
      const label = t("locate.play", { time: clock(moment.start), match });
      return el("li", {}, button(span, { class: "kz-chip", "aria-label": label, onclick: () => playAt(moment.start) }), el("span", { class: "kz-match", data: { match: moment.match } }, match));
    });
    const isPoor = curve.best.every(({ match }) => match === "weak" || match === "none");
    const [best] = curve.best;
    announce(t("locate.found", { time: clock(best.start), match: t(`match.${best.match}`) }));
    result.replaceChildren(
      line,
      el("div", { class: "kz-ticks", dir: "ltr", "aria-hidden": "true" }, ticks),
      isPoor ? el("p", { class: "kz-note" }, t("locate.poor")) : "",
      el("ol", { class: "kz-moments" }, moments),
    );
    showHead();
  }

  function play(seconds, q) {
    if (hit.clip && !hit.src) return; // the page was loaded again: the server keeps a clip's curve, and not its sound
    const own = { ...hit, subject: hit.clip ? null : { q } };
    if (!player.isCurrent(hit.track.link)) player.play(own, { at: seconds });
    else {
      player.edit((queue) => (queue.current.subject = own.subject));
      player.playAt(seconds);
    }
  }

  function showHead() {
    const isCurrent = hit && player.isCurrent(hit.track.link);
    if (!head) return;
    head.hidden = !isCurrent;
    if (isCurrent) head.style.left = `${(100 * player.position) / (player.duration || 1)}%`;
  }

  player.subscribe(showHead);
  return panel;
}
