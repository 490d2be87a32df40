// The tab "Map": all tracks, near each other if they sound alike; what a search finds lights up.
import { get, isStale } from "./api.js";
import { button, el, queryInput } from "./dom.js";
import { createChoice, createFilters } from "./filters.js";
import { t } from "./i18n.js";
import { forgetTracks, loadMap, loadTracks } from "./mapdata.js";
import { canDraw } from "./mapgl.js";
import { createLegend } from "./maplegend.js";
import { look, palette } from "./maplook.js";
import { createMapNames } from "./mapnames.js";
import { createMapPanel } from "./mappanel.js";
import { createStage } from "./mapstage.js";
import { outlineText, parseOutline } from "./mapview.js";
import { announce, notice } from "./notices.js";
import { player } from "./player.js";
import { go, state } from "./state.js";

const POLL_MS = 3000; // while the map is being computed

function createTab() {
  const query = queryInput({ name: "q", "aria-label": t("map.light.label"), placeholder: t("map.light.placeholder") });
  const form = el("form", { class: "kz-ask", role: "search", onsubmit: submit }, query, el("button", { class: "kz-primary" }, t("map.light")));
  const colour = createChoice("colour", ["", "genre", "sound"], t("map.colour"), (value) => t(`map.colour.${value || "auto"}`));
  const filters = createFilters([colour.element]);
  const lasso = tool("map.lasso", "map.lasso.long", () => setLasso(!stage.isLasso), { "aria-pressed": "false" });
  const tools = el(
    "div",
    { class: "kz-map-tools", role: "group", "aria-label": t("map.tools") },
    lasso,
    tool("map.select", "map.select.long", () => choose(stage.view.corners())),
    tool("map.in", "map.in.long", () => stage.zoom(1.6)),
    tool("map.out", "map.out.long", () => stage.zoom(1 / 1.6)),
    tool("map.all", "map.all.long", () => stage.showAll()),
  );
  const hint = el("p", { class: "kz-note" }, t("map.hint"));
  const keys = el("p", { class: "kz-note kz-map-keys", id: "kz-map-keys" }, t("map.keys"));
  const status = el("p", { class: "kz-note kz-map-status" });
  const isPossible = canDraw();
  const handlers = {
    choose: chooseTrack,
    hover: (i, left, top) => names.hover(i, left, top),
    outline: outlined,
    step,
    escape,
    moved: () => names.show(map),
  };
  const stage = isPossible ? createStage(handlers, t("map.label"), keys.id) : null;
  const names = createMapNames(stage);
  const frame = el("div", { class: "kz-map-frame" }, stage?.element, names.tip, tools);
  const legend = createLegend((only) => {
    shownColour = only;
    paint();
  });
  const panel = createMapPanel(startPath);
  const trouble = el("div");
  const all = isPossible
    ? [form, filters.element, trouble, frame, legend.element, status, hint, keys, panel.element]
    : [notice(t("map.no_webgl"))];

  let map = null;
  let asked = ""; // the version of the library that the map was asked for
  let timer = 0;
  let shownColour = null; // the only one that is shown
  let lit = null;
  let passing = null;
  let litFor = "";
  let isPicking = false; // the other end of a path

  function tool(key, tip, onclick, properties = {}) {
    const isSign = t(key).length === 1; // "+" says nothing to a screen reader
    return button(t(key), { class: "kz-tool-text", onclick, title: t(tip), "aria-label": isSign && t(tip), ...properties });
  }

  function submit(event) {
    event.preventDefault();
    go({ q: query.value.trim() });
  }

  async function show(current, library) {
    if (!isPossible) return;
    filters.show(current, library.fields);
    colour.show(current);
    query.value = current.q ?? "";
    if (library.version !== asked) await load(library);
    if (!map?.points) return;
    showState(current);
  }

  async function load(library) {
    asked = library.version;
    clearTimeout(timer);
    try {
      const before = map;
      map = await loadMap(map);
      trouble.replaceChildren();
      for (const part of [frame, legend.element, hint, keys]) part.hidden = !map.tracks;
      if (map.error) trouble.replaceChildren(notice(t(`error.${map.code}`)));
      else if (library.is_empty) trouble.replaceChildren(notice(t("library.empty")));
      else if (!map.points) trouble.replaceChildren(notice(t("map.computing")));
      if (map.points && map.points !== before?.points) {
        forgetTracks();
        stage.setPoints(map.points);
        litFor = "";
        showState(state());
      }
      status.textContent = map.tracks ? [t("map.tracks", { n: map.tracks }), map.is_old ? t("map.old") : ""].filter(Boolean).join(" ") : "";
      if (map.is_computing || map.is_old) timer = setTimeout(() => load(library), POLL_MS);
    } catch (error) {
      if (isStale(error)) return;
      asked = "";
      trouble.replaceChildren(notice(error.message));
    }
  }

  function showState(current) {
    stage.outline = parseOutline(current.area ?? "");
    stage.current = current.at ? map.points.find(current.at) : -1;
    paint();
    light(current);
    panel.show(current, map.points, stage);
  }

  const colouring = () => map.colourings.find(({ by }) => by === state().colour) ?? map.colourings.find(({ by }) => by === map.best);

  function paint() {
    if (!map?.points) return;
    const chosen = colouring();
    legend.show(chosen);
    const { rgba, lifts } = look(map.points.colours[chosen.by], palette(stage.element), { lit, passing, only: shownColour });
    stage.isShown = (i) => rgba[4 * i + 3] > 100; // not the faint ones
    stage.setLook(rgba, lifts);
  }

  /** What the search finds, or the filter lets through. */
  async function light({ q = "", where = "", by = "", match = "" }) {
    const wanted = JSON.stringify([q, where, by, match, map.version]);
    if (wanted === litFor) return;
    litFor = wanted;
    if (!q && !where) {
      lit = passing = null;
      return void paint();
    }
    try {
      const answer = await get("map/matches", { q, where, by, match, version: map.version }, "map/matches");
      if (wanted !== litFor) return;
      lit = q ? new Map(answer.points.map((i, k) => [i, answer.strengths[k]])) : null;
      passing = answer.passing && new Set(answer.passing);
      announce(t("map.lit", { n: q ? lit.size : passing.size }));
      trouble.replaceChildren(...(answer.is_poor ? [notice(t("note.no_good_match"))] : []));
      paint();
    } catch (error) {
      if (isStale(error)) return;
      lit = passing = null;
      paint();
      trouble.replaceChildren(notice(error.message));
    }
  }

  // Choosing
  async function chooseTrack(i) {
    const link = map.points.link(i);
    if (isPicking && state().at && state().at !== link) {
      isPicking = false;
      return go({ to: link, area: "" });
    }
    go({ at: link, to: "", area: "" });
    const [hit] = await loadTracks([link]).catch(() => []);
    if (hit && !hit.track.away) player.toggle(hit);
  }

  function startPath() {
    isPicking = true;
    announce(t("map.path.pick"));
    stage.element.focus();
  }

  function setLasso(isOn) {
    stage.isLasso = isOn;
    lasso.setAttribute("aria-pressed", String(isOn));
    stage.element.classList.toggle("kz-map-lasso", isOn);
  }

  function outlined(corners) {
    setLasso(false);
    choose(corners);
  }

  function choose(corners) {
    isPicking = false;
    go({ area: outlineText(corners), at: "", to: "" });
  }

  function escape() {
    isPicking = false;
    if (stage.isLasso) return setLasso(false), true;
    if (!state().area && !state().at) return false;
    go({ area: "", at: "", to: "" });
    return true;
  }

  async function step(i) {
    const [hit] = await loadTracks([map.points.link(i)], "map/step").catch(() => []);
    if (!hit || stage.current !== i) return;
    announce([hit.track.title, hit.track.artist].filter(Boolean).join(", "));
    names.showTip(hit, stage.view.toScreen(map.points.x[i], map.points.y[i]));
  }

  stage?.element.addEventListener("blur", () => names.hover(-1));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

  return {
    show,
    mount: (element) => element.append(...all),
    focus: () => query.focus({ preventScroll: true }),
  };
}

export const mapTab = { id: "map", create: createTab };
