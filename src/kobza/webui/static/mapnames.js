// What is named on the map: the point under the mouse, the regions in sight and, where points are few, their tracks.
import { el } from "./dom.js";
import { knownTrack, loadTracks } from "./mapdata.js";

const TITLED = 60; // points in sight, so few that each can have its title
const FINE_ZOOM = 2.2; // from which on the smaller regions are named, too
const HOVER_MS = 100;
const NEAR_PIXELS = 40; // what lies so near is looked up together: the next one that is pointed at, probably
const MOST_NEAR = 30;

/**
 * `tip` goes over the map. `hover(i or -1, left, top)`: what the mouse points at; `showTip(hit, [left, top])`;
 * `show(map)` brings the names up to date, after each change of what is seen.
 */
export function createMapNames(stage) {
  const tip = el("div", { class: "kz-map-tip", "aria-hidden": "true", hidden: true });
  let hoverTimer = 0;
  let named = "";
  let titleTimer = 0;

  function hover(i, left, top) {
    clearTimeout(hoverTimer);
    tip.hidden = true;
    if (i < 0) return;
    const link = stage.points.link(i);
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
    stage.index.around(x1, y1, x2, y2, (i) => found.length < MOST_NEAR && found.push(stage.points.link(i)));
    return found;
  }

  function showTip({ track }, [left, top]) {
    tip.replaceChildren(el("b", { dir: "auto" }, track.title), ...(track.artist ? [el("span", { dir: "auto" }, track.artist)] : []));
    tip.hidden = false;
    const room = stage.view.width - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(left + 14, room))}px`;
    tip.style.top = `${Math.max(8, top > 70 ? top - tip.offsetHeight - 14 : top + 18)}px`;
  }

  function show({ version, regions }) {
    const level = stage.view.zoom > FINE_ZOOM ? 1 : 0;
    const seen = fewInSight();
    const wanted = `${level} ${seen.join()} ${version}`;
    if (wanted === named) return;
    named = wanted;
    setNames(regions, level, seen);
    clearTimeout(titleTimer);
    const links = seen.map(stage.points.link);
    if (links.every(knownTrack)) return;
    titleTimer = setTimeout(async () => {
      await loadTracks(links, "map/titles").catch(() => []);
      if (wanted === named) setNames(regions, level, seen);
    }, HOVER_MS);
  }

  /** The points in sight; none if they are many. */
  function fewInSight() {
    const { x, y } = stage.points;
    const [[x1, y1], , [x2, y2]] = stage.view.corners();
    const found = [];
    stage.index.around(x1, y2, x2, y1, (i) => {
      if (found.length <= TITLED && x[i] >= x1 && x[i] <= x2 && y[i] >= y2 && y[i] <= y1) found.push(i);
    });
    return found.length > TITLED ? [] : found;
  }

  function setNames(regions, level, seen) {
    const { x, y, link } = stage.points;
    const shown = regions.filter((region) => region.level === level).sort((a, b) => b.tracks - a.tracks);
    const titles = seen.map((i) => ({ hit: knownTrack(link(i)), i })).filter(({ hit }) => hit);
    const offset = seen.length ? 1 : 0; // beside the points where these are few
    stage.dots = seen;
    stage.names = [
      ...shown.map((region) => ({ text: region.name, x: region.x, y: region.y, offset, className: `kz-map-region kz-map-region-${level}` })),
      ...titles.map(({ hit, i }) => ({ text: hit.track.title, x: x[i], y: y[i], offset: 1, className: "kz-map-title" })),
    ];
    stage.redraw();
  }

  return { tip, hover, showTip, show };
}
