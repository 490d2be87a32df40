// The filter of the address, as text of the filter language, to the chips that stand for it, and back.
//
// Each chip field has a list: genre in ("Jazz", "Blues") and year in (1980s). What else stands in the filter, as from a
// link that somebody wrote, is kept as it is, in brackets before the lists.
const LISTS = { genre: "genre", artist: "artist", decade: "year", length: "duration", folder: "folder", area: "area" };
const QUOTED = new Set(["genre", "artist", "folder", "area"]);
const FIELDS = Object.fromEntries(Object.entries(LISTS).map(([chip, field]) => [field, chip]));
const LIST = /^(genre|artist|year|duration|folder|area) in \(((?:"(?:[^"\\]|\\.)*"|[^"()])*)\)$/;

const KEYS = Object.keys(LISTS);
/** Those with values to choose from; an area is drawn on the map. */
export const CHIPS = KEYS.filter((key) => key !== "area");

/** A filter's text -> {rest, genre: [...], artist: [...], decade, length, folder, area}. */
export function parseWhere(text) {
  const filter = { rest: "", ...Object.fromEntries(KEYS.map((chip) => [chip, []])) };
  const parts = splitAnd(text.trim());
  const lists = parts.map((part) => LIST.exec(part));
  const first = lists.findIndex(Boolean);
  const isOurs = lists.every((list, i) => list || (i === 0 && isBracketed(parts[0])));
  if (!isOurs || new Set(lists.filter(Boolean).map((list) => list[1])).size < lists.filter(Boolean).length)
    return { ...filter, rest: text.trim() };
  if (first !== 0 && parts[0]) filter.rest = parts[0].slice(1, -1);
  for (const list of lists.filter(Boolean)) filter[FIELDS[list[1]]] = valuesOf(list[2]);
  return filter;
}

/** The inverse of `parseWhere`. `without`: a chip field that is left out. */
export function formatWhere(filter, without = "") {
  const lists = KEYS.filter((chip) => chip !== without && filter[chip].length).map((chip) => {
    const values = filter[chip].map((value) => (QUOTED.has(chip) ? quote(value) : value));
    return `${LISTS[chip]} in (${values.join(", ")})`;
  });
  if (!filter.rest) return lists.join(" and ");
  return lists.length ? [`(${filter.rest})`, ...lists].join(" and ") : filter.rest;
}

const quote = (value) => `"${value.replace(/[\\"]/g, "\\$&")}"`;

function valuesOf(list) {
  const found = list.match(/"(?:[^"\\]|\\.)*"|[^\s,"][^,"]*/g) ?? [];
  return found.map((one) => (one[0] === '"' ? one.slice(1, -1).replace(/\\([\\"'])/g, "$1") : one.trim()));
}

/** The parts between each "and" that stands outside of quotes and brackets. */
function splitAnd(text) {
  const parts = [""];
  let depth = 0;
  for (const token of text.match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'| and |[\s\S]/gi) ?? []) {
    if (token === "(") depth += 1;
    if (token === ")") depth -= 1;
    if (token.toLowerCase() === " and " && depth === 0) parts.push("");
    else parts[parts.length - 1] += token;
  }
  return parts;
}

/** Whether the first bracket closes at the end. */
function isBracketed(text) {
  let depth = 0;
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[\s\S]/g) ?? [];
  return (
    tokens.every((token, i) => {
      depth += token === "(" ? 1 : token === ")" ? -1 : 0;
      return depth > 0 || i === tokens.length - 1;
    }) && text.startsWith("(")
  );
}
