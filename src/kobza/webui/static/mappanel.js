// Below the map: what is chosen on it, one track, the tracks inside an outline, or a path between two tracks.
import { get, isStale } from "./api.js";
import { button, el } from "./dom.js";
import { t } from "./i18n.js";
import { loadTracks } from "./mapdata.js";
import { announce, notice } from "./notices.js";
import { player } from "./player.js";
import { savePlaylist } from "./playlistfile.js";
import { rows } from "./results.js";
import { go, state } from "./state.js";
import { formatWhere, parseWhere } from "./where.js";

const LISTED = 20; // tracks at first, and that more are listed at a time
const MOST_IN_PLAYLIST = 1000;
const MOST_QUEUED = 50;
const PATH_TRACKS = 10;

/** `show(state, points, stage)` brings it up to date. `startPath()`: the next track that is chosen ends a path. */
export function createMapPanel(startPath) {
  const element = el("section", { class: "kz-map-panel", "aria-label": t("map.chosen") });
  let shown = "";

  async function show({ at = "", to = "", area = "", where = "" }, points, stage) {
    const wanted = JSON.stringify([at, to, area, to && where]);
    if (wanted === shown) return;
    shown = wanted;
    stage.path = [];
    try {
      const { elements, stops = [] } = await (to ? path(at, to, where) : at ? track(at) : area ? selection(points, stage, where) : { elements: [] });
      if (wanted !== shown) return;
      if (stops.length) announce(t("map.path.found", { n: stops.length }));
      stage.path = stops.map((hit) => points.find(hit.track.link)).filter((i) => i >= 0);
      element.replaceChildren(...elements);
    } catch (error) {
      if (isStale(error) || wanted !== shown) return;
      element.replaceChildren(notice(error.message));
    }
    stage.redraw();
  }

  async function track(link) {
    const hits = await loadTracks([link], "map/chosen");
    if (!hits.length) return { elements: [notice(t("map.gone"))] };
    const start = button(t("map.path"), { class: "kz-secondary", onclick: startPath, title: t("map.path.long") });
    return { elements: [actions([start]), list(hits)] };
  }

  async function path(from, to, where) {
    const { hits } = await get("map/path", { start: from, end: to, k: PATH_TRACKS, where }, "map/path");
    const links = hits.map(({ track: { link } }) => link);
    const name = t("map.path.name", { from: hits[0].track.title, to: hits.at(-1).track.title });
    const heading = el("h2", { class: "kz-heading" }, name);
    return { elements: [heading, actions([queueButton(() => hits), saveButton(links, name)]), list(hits)], stops: hits };
  }

  async function selection(points, stage, where) {
    const chosen = stage.index.inside(stage.outline ?? [[0, 0]]).filter(stage.isShown);
    const links = chosen.slice(0, MOST_IN_PLAYLIST).map(points.link);
    announce(t("map.selected", { n: chosen.length }));
    const heading = el("h2", { class: "kz-heading" }, t("map.selected", { n: chosen.length }));
    if (!chosen.length) return { elements: [heading] };
    const hits = await loadTracks(links.slice(0, LISTED), "map/chosen");
    const listed = list(hits);
    const more = button(t("more.answers"), { class: "kz-next", onclick: extend });
    let count = LISTED;

    async function extend() {
      const next = await loadTracks(links.slice(count, count + LISTED), "map/chosen").catch(() => []);
      count += LISTED;
      listed.append(...list(next).children);
      more.hidden = count >= links.length;
    }

    more.hidden = count >= links.length;
    const search = button(t("map.search"), { class: "kz-secondary", title: t("map.search.long"), onclick: () => searchIn(where) });
    const clear = button(t("map.clear"), { class: "kz-secondary", onclick: () => go({ area: "" }) });
    const queue = queueButton(() => loadTracks(links.slice(0, MOST_QUEUED), "map/queue"));
    return { elements: [heading, actions([search, queue, saveButton(links, t("map.playlist")), clear]), listed, more] };
  }

  /** The search tab with the outline as one more filter. */
  function searchIn(where) {
    go({ tab: "search", where: formatWhere({ ...parseWhere(where), area: [state().area] }), area: "" });
  }

  const actions = (buttons) => el("div", { class: "kz-map-actions" }, buttons);
  const list = (hits) => rows(hits, { hits, params: {}, kind: "plain" });

  function queueButton(hitsOf) {
    return button(t("map.queue"), {
      class: "kz-secondary",
      onclick: async () => {
        announce(t("map.queued", { n: player.add((await hitsOf()).filter(({ track: one }) => !one.away)) }));
      },
    });
  }

  function saveButton(links, name) {
    return button(t("map.save"), { class: "kz-secondary", title: t("map.save.long", { n: links.length }), onclick: () => save(links, name) });
  }

  async function save(links, name) {
    try {
      await savePlaylist(links, name);
    } catch (error) {
      element.prepend(notice(error.message));
    }
  }

  return { element, show };
}
