// The tab "Map": all tracks, near each other if they sound alike; what a search finds lights up.
import { get, isStale } from "./api.js";
import { button, el } from "./dom.js";
import { createChoice, createFilters } from "./filters.js";
import { t } from "./i18n.js";
import { forgetTracks, knownTrack, loadMap, loadTracks } from "./mapdata.js";
import { canDraw } from "./mapgl.js";
import { createLegend } from "./maplegend.js";
import { look, palette } from "./maplook.js";
import { createMapPanel } from "./mappanel.js";
import { createStage } from "./mapstage.js";
import { outlineText, parseOutline } from "./mapview.js";
import { announce, notice } from "./notices.js";
import { player } from "./player.js";
import { go, state } from "./state.js";

const POLL_MS = 3000; // while the map is being computed
const TITLED = 60; // points in sight, so few that each can have its title
const FINE_ZOOM = 2.2; // from which on the smaller regions are named, too
const HOVER_MS = 100;
const NEAR_PIXELS = 40; // what lies so near is looked up together: the next one that is pointed at, probably
const MOST_NEAR = 30;

function createTab() {
  const query = el("input", { type: "search", name: "q", dir: "auto", maxlength: 400, "aria-label": t("map.light.label"), placeholder: t("map.light.label"), autocomplete: "off", enterkeyhint: "search" });
  const form = el("form", { class: "kz-ask kz-map-ask", role: "search", onsubmit: submit }, query, el("button", { class: "kz-primary" }, t("map.light")));
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
  const tip = el("div", { class: "kz-map-tip", "aria-hidden": "true", hidden: true });
  const isPossible = canDraw();
  const stage = isPossible ? createStage({ choose: chooseTrack, hover, outline: outlined, step, moved, escape }, t("map.label"), keys.id) : null;
  const frame = el("div", { class: "kz-map-frame" }, stage?.element, tip, tools);
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
      frame.hidden = !map.points;
      if (map.error) trouble.replaceChildren(notice(map.error));
      else if (library.is_empty) trouble.replaceChildren(notice(t("library.empty")));
      else if (!map.points) trouble.replaceChildren(notice(t("map.computing")));
      if (map.points && map.points !== before?.points) {
        forgetTracks();
        stage.setPoints(map.points);
        litFor = "";
        showState(state());
      }
      status.textContent = map.points ? [t("map.tracks", { n: map.tracks }), map.is_old ? t("map.old") : ""].filter(Boolean).join(" ") : "";
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
    announce(nameOf(hit));
    showTip(hit, stage.view.toScreen(map.points.x[i], map.points.y[i]));
  }

  // Names
  const nameOf = ({ track }) => [track.title, track.artist].filter(Boolean).join(", ");
  let hoverTimer = 0;

  function hover(i, left, top) {
    clearTimeout(hoverTimer);
    tip.hidden = true;
    if (i < 0) return;
    const link = map.points.link(i);
    const known = knownTrack(link);
    if (known) return void showTip(known, [left, top]);
    hoverTimer = setTimeout(async () => {
      const [hit] = await loadTracks([link, ...near(left, top)], "map/hover").catch(() => []);
      if (hit && stage.hovered === i) showTip(hit, [left, top]);
    }, HOVER_MS);
  }

  function near(left, top) {
    const [x1, y1] = stage.view.toMap(left - NEAR_PIXELS, top + NEAR_PIXELS);
    const [x2, y2] = stage.view.toMap(left + NEAR_PIXELS, top - NEAR_PIXELS);
    const found = [];
    stage.index.around(x1, y1, x2, y2, (i) => found.length < MOST_NEAR && found.push(map.points.link(i)));
    return found;
  }

  function showTip({ track }, [left, top]) {
    tip.replaceChildren(el("b", { dir: "auto" }, track.title), ...(track.artist ? [el("span", { dir: "auto" }, track.artist)] : []));
    tip.hidden = false;
    const room = stage.view.width - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(left + 14, room))}px`;
    tip.style.top = `${Math.max(8, top > 70 ? top - tip.offsetHeight - 14 : top + 18)}px`;
  }

  let named = "";
  let titleTimer = 0;

  /** Which names stand on the map depends on what is seen of it. */
  function moved() {
    const level = stage.view.zoom > FINE_ZOOM ? 1 : 0;
    const [[x1, y1], , [x2, y2]] = stage.view.corners();
    let seen = [];
    stage.index.around(x1, y2, x2, y1, (i) => seen.length <= 4 * TITLED && seen.push(i));
    seen = seen.filter((i) => map.points.x[i] >= x1 && map.points.x[i] <= x2 && map.points.y[i] >= y2 && map.points.y[i] <= y1);
    if (seen.length > TITLED) seen = [];
    const wanted = `${level} ${seen.join()} ${map.version}`;
    if (wanted === named) return;
    named = wanted;
    setNames(level, seen);
    clearTimeout(titleTimer);
    if (!seen.some((i) => !knownTrack(map.points.link(i)))) return;
    titleTimer = setTimeout(async () => {
      for (let k = 0; k < seen.length; k += 50) await loadTracks(seen.slice(k, k + 50).map(map.points.link), "map/titles").catch(() => []);
      if (wanted !== named) return;
      setNames(level, seen);
      stage.redraw();
    }, HOVER_MS);
  }

  function setNames(level, seen) {
    const regions = map.regions.filter((region) => region.level === level).sort((a, b) => b.tracks - a.tracks);
    const titles = seen.map((i) => ({ hit: knownTrack(map.points.link(i)), i })).filter(({ hit }) => hit);
    stage.dots = seen;
    const offset = seen.length ? 1 : 0; // beside the points where these are few
    stage.names = [
      ...regions.map(({ name, x, y }) => ({ text: name, x, y, offset, className: `kz-map-region kz-map-region-${level}` })),
      ...titles.map(({ hit, i }) => ({ text: hit.track.title, x: map.points.x[i], y: map.points.y[i], offset: 1, className: "kz-map-title" })),
    ];
    stage.redraw();
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

  return {
    show,
    mount: (element) => element.append(...all),
    focus: () => query.focus({ preventScroll: true }),
    refresh(current, library) {
      asked = "";
      return show(current, library);
    },
  };
}

export const mapTab = { id: "map", create: createTab };
