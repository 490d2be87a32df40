// The page: its tabs, its title, and news of the library.
import { get } from "./api.js";
import { button, el } from "./dom.js";
import { length, loadCatalogue, t } from "./i18n.js";
import { announce } from "./notices.js";
import { mountPlayer } from "./playerbar.js";
import { address, go, state, subscribe } from "./state.js";
import { TABS } from "./tabs.js";

const POLL_MS = 15_000; // how soon new music appears

await loadCatalogue(); // before anything is written
const held = document.querySelector(".kz-held");
const news = el("div");
let library = await loadLibrary();
let shownTab = "";

async function loadLibrary() {
  try {
    return await get("library");
  } catch (error) {
    announce(error.message);
    return { tracks: 0, seconds: 0, is_demo: false, is_empty: true, version: "", fields: [], players: [] };
  }
}

const tabs = TABS.map(({ id, create }) => {
  const panel = el("section", {
    id: `panel-${id}`,
    role: "tabpanel",
    "aria-labelledby": `tab-${id}`,
    hidden: true,
  });
  const control = el("a", { id: `tab-${id}`, class: "kz-tab", role: "tab", "aria-controls": panel.id }, t(`tab.${id}`));
  control.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new window: the address has the tab
    event.preventDefault();
    go({ tab: id });
  });
  return { id, panel, control, create, part: null, focused: null };
});
const bar = el(
  "div",
  { class: "kz-tabs", role: "tablist", "aria-label": t("tabs"), onkeydown: onArrow },
  tabs.map(({ control }) => control),
);

function onArrow(event) {
  const at = tabs.findIndex(({ control }) => control === document.activeElement);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const target =
    event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1 : step && (at + step + tabs.length) % tabs.length;
  if (target === undefined || at < 0) return;
  event.preventDefault();
  go({ tab: tabs[target].id });
  tabs[target].control.focus();
}

function showHeader() {
  const summary = library.is_empty
    ? t("tracks", { n: 0 })
    : `${t("tracks", { n: library.tracks })} · ${length(library.seconds)}`;
  held.replaceChildren(el("span", {}, summary), ...(library.is_demo ? [" ", el("span", {}, t("demo"))] : []));
}

/** Show what the state says. A tab is made when it is first shown. */
function show() {
  const current = state();
  const chosen = tabs.find(({ id }) => id === current.tab) ?? tabs[0];
  for (const tab of tabs) if (tab.panel.contains(document.activeElement)) tab.focused = document.activeElement;
  for (const tab of tabs) {
    const isChosen = tab === chosen;
    tab.panel.hidden = !isChosen;
    tab.control.setAttribute("aria-selected", String(isChosen));
    tab.control.tabIndex = isChosen ? 0 : -1;
    tab.control.href = address({ tab: tab.id });
  }
  if (!chosen.part) {
    chosen.part = chosen.create({ retitle });
    chosen.part.mount(chosen.panel);
  }
  if (!shownTab) chosen.part.focus?.();
  const isOther = shownTab !== chosen.id;
  shownTab = chosen.id;
  chosen.part.show(current, library);
  // Back from another tab: there where one was
  const hasFocus = document.activeElement?.checkVisibility() && document.activeElement !== document.body;
  if (isOther && !hasFocus) chosen.focused?.focus({ preventScroll: true });
  retitle();
}

/** The browser's title: what the tab shows, or its name. */
function retitle() {
  const { part } = tabs.find(({ id }) => id === shownTab);
  const tab = shownTab === "search" ? "" : t(`tab.${shownTab}`);
  document.title = [part.title?.(state()) || tab, "Kobza"].filter(Boolean).join(" – ");
}

/** Whether the library has changed, from time to time while the page is seen. */
async function poll() {
  if (document.hidden) return;
  const latest = await get("library").catch(() => library);
  if (latest.version === library.version) return;
  const wasEmpty = library.is_empty;
  library = latest;
  showHeader();
  if (wasEmpty || shownTab !== "search") return void show();
  const text = t("library.changed", { n: library.tracks });
  const again = button(t("search.again"), { class: "kz-link", onclick: searchAgain });
  news.replaceChildren(el("p", { class: "kz-notice" }, text, " ", again));
  announce(text);
}

function searchAgain() {
  news.replaceChildren();
  const { part } = tabs.find(({ id }) => id === shownTab);
  part.refresh?.(state(), library);
  part.focus?.();
}

document.querySelector(".kz-tagline").textContent = t("tagline");
document.querySelector("main").replaceChildren(bar, news, ...tabs.map(({ panel }) => panel));
mountPlayer(document.querySelector("#player"), () => library.players);
showHeader();
subscribe(show);
show();
setInterval(poll, POLL_MS);
document.addEventListener("visibilitychange", poll);
