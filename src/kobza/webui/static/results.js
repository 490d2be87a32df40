// A hit as a row, and a list of rows that grows as one scrolls.
import { get, isStale } from "./api.js";
import { button, el, icon } from "./dom.js";
import { clock, t } from "./i18n.js";
import { announce, notice } from "./notices.js";
import { figureOf, scoreBar } from "./score.js";
import { go, listOf } from "./state.js";

const PAGE = 10; // hits
const MOST = 200; // hits of one list: whoever wants more asks more precisely
// A full bar: the best score, but at least this, so that poor answers look poor.
const FULL = { text: 4, sound: 0.5 };

const rowHooks = [];

/** Call `hook(row, hit, context)` for each new row; `context` is {hits, params, kind}: the list that it stands in. */
export function onRow(hook) {
  rowHooks.push(hook);
}

/**
 * A row, with the data that plays it: data-track, data-moment, data-duration and, for a part of a file, data-start.
 * Its parts: .kz-play, .kz-name, .kz-player (.kz-line with .kz-curve, .kz-played and .kz-notch; .kz-time), .kz-score,
 * .kz-actions, .kz-why, .kz-trouble.
 *
 * Args: `context.kind` is "text" (a match with a description), "sound" (a cosine) or "plain" (no score).
 */
export function row(hit, rank, context) {
  const { track, moment } = hit;
  const element = el(
    "li",
    {
      class: "kz-row",
      data: {
        track: track.link,
        moment: moment.toFixed(2),
        duration: track.duration.toFixed(2),
        start: track.start?.toFixed(2),
      },
    },
    el("span", { class: "kz-rank" }, rank ? String(rank) : ""),
    el(
      "button",
      {
        class: "kz-play",
        type: "button",
        disabled: track.away,
        "aria-label": t("play", { title: track.title, time: clock(moment) }),
      },
      icon("play", "kz-icon-play"),
      icon("pause", "kz-icon-pause"),
    ),
    name(hit, context),
    line(hit),
    el("div", { class: "kz-score" }, context.kind === "plain" ? null : score(hit, context)),
    el(
      "div",
      { class: "kz-actions" },
      button(t("more"), {
        class: "kz-more",
        onclick: () => like(track.link),
        "aria-label": t("more.of", { title: track.title }),
      }),
      second(track, context),
    ),
    why(hit),
    el("p", { class: "kz-trouble", role: "status" }),
  );
  for (const hook of rowHooks) hook(element, hit, context);
  return element;
}

/** Below an example's answers, where "but ..." has its own box, one can refuse a track instead. */
function second({ link, title }, { kind, params }) {
  if (kind !== "sound") return button(t("but"), { class: "kz-more", onclick: () => like(link, true), "aria-label": t("but.of", { title }) });
  const refuse = () => {
    go({ minus: [...listOf(params.minus), link].join(",") });
    document.dispatchEvent(new CustomEvent("kz-like", { detail: { asks: false } }));
  };
  return button(t("less"), { class: "kz-more", onclick: refuse, "aria-label": t("less.of", { title }) });
}

function like(link, asks = false) {
  go({ tab: "listen", like: link, but: "", minus: "" });
  document.dispatchEvent(new CustomEvent("kz-like", { detail: { asks } })); // it takes the focus
}

/** Where a track is from, if another of the hits has its title and artist. */
function origin(track, hits) {
  const isTwin = ({ track: other }) => other !== track && other.title === track.title && other.artist === track.artist;
  return hits.some(isTwin) ? [track.album, track.folder].filter(Boolean).join(" · ") : "";
}

function name({ track }, { hits }) {
  const from = origin(track, hits);
  const copies = track.copies.length;
  const text = (className, content, tip = content) =>
    content && el("span", { class: className, dir: "auto", title: tip }, content);
  return el(
    "div",
    { class: "kz-name" },
    text("kz-title", track.title),
    text("kz-artist", track.artist),
    text("kz-from", from),
    el(
      "span",
      { class: "kz-tags" },
      track.tags.map((tag) => el("span", { class: "kz-tag", dir: "auto", title: tag }, tag)),
      copies > 0 && el("span", { class: "kz-tag", title: track.copies.join("\n") }, t("copies", { n: copies })),
      track.away && el("span", { class: "kz-tag" }, t("away")),
    ),
  );
}

function line({ track, moment }) {
  const share = (100 * moment) / Math.max(track.duration, moment, 1e-6);
  return el(
    "div",
    { class: "kz-player" },
    el(
      "div",
      { class: "kz-line" },
      el("i", { class: "kz-curve" }),
      el("i", { class: "kz-played" }),
      el("i", { class: "kz-notch", style: { left: `${share.toFixed(1)}%` } }),
    ),
    el("span", { class: "kz-time" }, clock(moment)),
    el("span", { class: "kz-of" }, clock(track.duration)),
  );
}

function score({ score, match }, { kind, hits }) {
  const full = Math.max(FULL[kind], ...hits.map((hit) => hit.score));
  const figure = figureOf(score);
  return [
    scoreBar(score, full),
    match
      ? el("span", { class: "kz-match", title: t("score", { figure }), data: { match } }, t(`match.${match}`))
      : el("span", { class: "kz-figure", title: t("cosine") }, figure),
  ];
}

/** What of the query stands in the tags, and what the sound is worth beside it. */
function why({ words, sound }) {
  if (!words.length) return null;
  const byField = new Map();
  for (const { word, field, term } of words)
    byField.set(field, [...(byField.get(field) ?? []), word === term ? word : `${word} (${term})`]);
  const places = [...byField].map(([field, found]) =>
    t("why.words", { words: found.join(", "), field: t(`field.${field}`) }),
  );
  const heard = sound === null ? "" : t("why.sound", { match: t(`match.${sound}`) });
  return el("p", { class: "kz-why" }, [places.join("; "), heard].filter(Boolean).join(" · "));
}

/** An ordered list of rows. */
export function rows(hits, context) {
  return el(
    "ol",
    { class: "kz-rows" },
    hits.map((hit, i) => row(hit, context.kind === "plain" ? 0 : i + 1, context)),
  );
}

/**
 * Answers of api/`path`, more of them on scrolling. `element` goes on the page; `show(params, heading)` asks anew;
 * `hits` are those that are shown.
 *
 * Args: `noticesOf(answer)` gives elements that stand above the rows; `nothing` is the sentence where there are no hits.
 */
export function createAnswers(path, { kind, noticesOf = () => [], nothing }) {
  const element = el("div", { class: "kz-answers" });
  const more = button(t("more.answers"), { class: "kz-next", onclick: () => extend() });
  const sight = new IntersectionObserver(([entry]) => entry.isIntersecting && extend(), { rootMargin: "300px" });
  let asked = null; // the parameters of what is shown
  let list = null;
  let context = { hits: [], params: {}, kind };

  const ask = (params, offset) => get(path, { ...params, k: PAGE, offset }, path);

  async function show(params, heading = null) {
    const mine = (asked = params);
    sight.disconnect();
    element.setAttribute("aria-busy", "true");
    try {
      const answer = await ask(params, 0);
      if (mine !== asked) return null;
      context = { hits: answer.hits, params, kind: answer.kind ?? kind };
      list = answer.hits.length ? rows(answer.hits, context) : notice(nothing(params));
      element.replaceChildren(...[heading, ...noticesOf(answer)].filter(Boolean), list);
      if (answer.hits.length) announce(t("found", { n: answer.hits.length, title: answer.hits[0].track.title }));
      offerMore(answer.more);
      return answer;
    } catch (error) {
      if (isStale(error) || mine !== asked) return null;
      fail(error, heading);
      return null;
    } finally {
      if (mine === asked) element.removeAttribute("aria-busy");
    }
  }

  function fail(error, heading) {
    context = { hits: [], params: {}, kind };
    element.replaceChildren(...[heading].filter(Boolean), notice(error.message));
  }

  function offerMore(isMore) {
    more.remove();
    sight.disconnect();
    if (!isMore || context.hits.length >= MOST) return;
    element.append(more);
    sight.observe(more);
  }

  async function extend() {
    const mine = asked;
    sight.disconnect();
    more.disabled = true;
    try {
      const answer = await ask(mine, context.hits.length);
      if (mine !== asked) return;
      const first = context.hits.length;
      const known = new Set(context.hits.map((hit) => hit.track.link)); // the library may have changed in between
      context.hits.push(...answer.hits.filter((hit) => !known.has(hit.track.link)));
      const added = context.hits.slice(first);
      list.append(...added.map((hit, i) => row(hit, context.kind === "plain" ? 0 : first + i + 1, context)));
      for (const [i, hit] of context.hits.slice(0, first).entries())
        if (origin(hit.track, added)) list.children[i].querySelector(".kz-name").replaceWith(name(hit, context));
      const hadFocus = document.activeElement === more;
      offerMore(answer.more);
      if (hadFocus) list.children[first]?.querySelector(".kz-play").focus();
    } catch (error) {
      if (!isStale(error)) list.after(notice(error.message));
    } finally {
      more.disabled = false;
    }
  }

  return {
    element,
    show,
    fail,
    get hits() {
      return context.hits;
    },
  };
}
