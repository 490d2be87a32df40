// What the page shows, kept in its address: reload, Back and a shared link bring it back. All values are texts; one that
// is "" is not in the address. Any module may keep a key of its own: tab, q, where, by, match, like, but, ...
const DEFAULTS = { tab: "search" };
const listeners = [];

function read() {
  return { ...DEFAULTS, ...Object.fromEntries(new URLSearchParams(location.search)) };
}

let current = read();

/** The state; a key that was never set is undefined. */
export const state = () => current;

/** A value that is a list, with commas. */
export const listOf = (value = "") => value.split(",").filter(Boolean);

/** The address of the state with these changes, for links. */
export function address(changes = {}) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...current, ...changes }))
    if (value && value !== DEFAULTS[name]) params.set(name, value);
  const text = params.toString();
  return `${location.pathname}${text ? `?${text}` : ""}`;
}

/** Change the state. `replace`: no new entry for Back. Nothing happens if it is the same. */
export function go(changes, { replace = false } = {}) {
  const target = address(changes);
  if (target === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", target);
  tellTheHub();
  notify();
}

// A Space is a frame of a page of the Hub, which keeps this in its own address, so that it can be shared. Names with "__"
// are the Hub's own: the theme, and the visitor's signature, which is nobody else's business.
const HUB = "https://huggingface.co";

function tellTheHub() {
  if (parent === window) return;
  const params = [...new URLSearchParams(location.search)].filter(([name]) => !name.startsWith("__"));
  parent.postMessage({ queryString: new URLSearchParams(params).toString() }, HUB);
}

/** Call `listener(state, previous)` after each change, also by Back and Forward. */
export function subscribe(listener) {
  listeners.push(listener);
}

function notify() {
  const previous = current;
  current = read();
  for (const listener of listeners) listener(current, previous);
}

addEventListener("popstate", () => {
  tellTheHub();
  notify();
});
