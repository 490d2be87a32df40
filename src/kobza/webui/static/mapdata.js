// The map's points, as the server sends them: positions, links and colours of all tracks, in a few hundred kilobytes.
import { get } from "./api.js";

const LINK_BYTES = 12;

/**
 * The map: what api/map says, with `points` once there are any. `known`: the last one, kept if nothing has changed.
 *
 * points: {n, x, y: positions in [0, 1], y upwards; link(i), find(link) -> i or -1; colours: {genre, sound}: an index
 * of the colouring's names, their number for other values, 255 for none}
 */
export async function loadMap(known = null) {
  const about = await get("map", {}, "map");
  if (!about.version) return { ...about, points: null };
  if (known?.points && known.version === about.version) return { ...about, points: known.points };
  const response = await get("map/points", { version: about.version }, "map/points");
  return { ...about, points: parsePoints(await response.arrayBuffer(), about) };
}

/** Float32 x and y of each track, 12 bytes of each link, and a byte for each track and colouring. */
function parsePoints(buffer, { tracks: n, colourings }) {
  const positions = new Float32Array(buffer, 0, 2 * n);
  const links = new Uint8Array(buffer, 8 * n, LINK_BYTES * n);
  const colours = {};
  colourings.forEach(({ by }, i) => (colours[by] = new Uint8Array(buffer, (8 + LINK_BYTES + i) * n, n)));
  const x = positions.filter((_, i) => i % 2 === 0);
  const y = positions.filter((_, i) => i % 2 === 1);
  const hex = (byte) => byte.toString(16).padStart(2, "0");
  const link = (i) => Array.from(links.subarray(LINK_BYTES * i, LINK_BYTES * (i + 1)), hex).join("");
  let index = null;
  const find = (text) => {
    index ??= new Map(Array.from({ length: n }, (_, i) => [link(i), i]));
    return index.get(text) ?? -1;
  };
  return { n, x, y, positions, colours, link, find };
}

const MOST_LINKS = 50; // of one request
const hits = new Map(); // link -> hit

/** The tracks of these links, as hits without a score; those that are known already need no request. */
export async function loadTracks(links, channel) {
  const missing = links.filter((link) => !hits.has(link));
  for (let i = 0; i < missing.length; i += MOST_LINKS) {
    const answer = await get("map/tracks", { links: missing.slice(i, i + MOST_LINKS).join(",") }, channel);
    for (const hit of answer.hits) hits.set(hit.track.link, hit);
  }
  return links.map((link) => hits.get(link)).filter(Boolean);
}

export const knownTrack = (link) => hits.get(link);
export const forgetTracks = () => hits.clear();
