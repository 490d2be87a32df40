// The player at the page's foot: what plays, its line with the curve of match, volume, and the way to the queue.
import { curveOf, drawCurve } from "./curve.js";
import { el, icon, iconButton, write } from "./dom.js";
import { clock, t } from "./i18n.js";
import { player, restore } from "./player.js";
import { createLocator } from "./locate.js";
import { joinMediaSession } from "./mediasession.js";
import { createQueueList } from "./queuelist.js";
import { playRows } from "./rows.js";
import { createSlider } from "./slider.js";

const SMALL_STEP = 5; // seconds, of the arrow keys
const LARGE_STEP = 30;

/** Put the player into `foot`. `players()` gives the music servers that the library may send a queue to. */
export function mountPlayer(foot, players) {
  const locator = createLocator();
  const queue = createQueueList(players);
  const panel = el("div", { class: "kz-foot-panel", hidden: true });
  const controls = createControls();
  const panels = { queue, locator };
  let shown = "";
  let opener = null;

  function open(name, from = document.activeElement) {
    shown = name;
    opener = from;
    panel.replaceChildren(panels[name].element);
    panel.hidden = false;
    panels[name].focus();
    refresh();
  }

  function close() {
    if (!shown) return;
    const hadFocus = panel.contains(document.activeElement);
    shown = "";
    panel.hidden = true;
    if (hadFocus) (opener?.isConnected ? opener : controls.play).focus();
    refresh();
  }

  const switchTo = (name) => (shown === name ? close() : open(name));
  controls.queue.addEventListener("click", () => switchTo("queue"));
  controls.locate.addEventListener("click", () => {
    locator.choose(player.current);
    switchTo("locator");
  });
  for (const one of Object.values(panels)) one.onclose = close;

  function refresh() {
    const isHere = Boolean(player.current) || player.queue.entries.length > 0;
    controls.element.hidden = !isHere;
    foot.classList.toggle("kz-open", isHere || Boolean(shown));
    controls.refresh(shown);
    if (shown === "queue") queue.refresh();
  }

  foot.setAttribute("aria-label", t("player"));
  foot.replaceChildren(panel, controls.element);
  document.addEventListener("kz-locate", ({ detail: hit }) => {
    locator.choose(hit);
    open("locator");
  });
  playRows();
  listenToKeys(foot, close, () => Boolean(shown));
  player.subscribe(refresh);
  joinMediaSession();
  restore();
  refresh();
}

function createControls() {
  const control = (name, text, onclick) => iconButton(name, text, { class: "kz-control", onclick });
  const previous = control("previous", t("player.previous"), () => player.previous());
  const next = control("next", t("player.next"), () => player.next());
  const play = el(
    "button",
    { class: "kz-play", type: "button", onclick: () => player.toggle() },
    icon("play", "kz-icon-play"),
    icon("pause", "kz-icon-pause"),
  );
  const title = el("span", { class: "kz-title", dir: "auto" });
  const artist = el("span", { class: "kz-artist", dir: "auto" });
  const trouble = el("p", { class: "kz-trouble", role: "status" });
  const time = el("span", { class: "kz-time" });
  const length = el("span", { class: "kz-of" });
  const curve = el("i", { class: "kz-curve" });
  const seek = createSlider({
    label: t("player.position"),
    small: SMALL_STEP,
    large: LARGE_STEP,
    onchange: (seconds) => player.seek(seconds),
    onpreview: (seconds) => write(time, clock(seconds)),
  });
  const setVolume = (loudness) => player.setVolume(loudness);
  const volume = createSlider({ label: t("player.volume"), small: 0.05, large: 0.2, onchange: setVolume, onpreview: setVolume });
  const mute = el("button", { class: "kz-control", type: "button", onclick: () => player.toggleMute() }, icon("volume", "kz-icon-volume"), icon("muted", "kz-icon-muted"));
  const locate = control("locate", t("locate.open.current"));
  const queue = el("button", { class: "kz-control", type: "button" }, icon("queue"), el("span", { class: "kz-badge" }));
  const element = el(
    "div",
    { class: "kz-foot-bar" },
    el("div", { class: "kz-foot-buttons" }, previous, play, next),
    el("div", { class: "kz-foot-name" }, title, artist, trouble),
    el("div", { class: "kz-foot-seek" }, time, el("div", { class: "kz-foot-line" }, curve, seek.element), length),
    el("div", { class: "kz-foot-volume" }, mute, volume.element),
    el("div", { class: "kz-foot-panels" }, locate, queue),
  );
  let curveKey = "";

  async function refreshCurve(hit) {
    const key = hit?.subject ? JSON.stringify([hit.track.link, hit.subject]) : "";
    if (key === curveKey) return;
    curveKey = key;
    curve.replaceChildren();
    const found = key && (await curveOf(hit.track.link, hit.subject));
    if (found && key === curveKey) curve.replaceChildren(drawCurve(found, hit.track.duration));
  }

  function refresh(panel) {
    const { current, position, duration, volume: loudness } = player;
    const isPlaying = player.playing && !player.failed;
    element.classList.toggle("kz-playing", isPlaying);
    element.classList.toggle("kz-muted", loudness === 0);
    write(title, current?.track.title ?? "");
    write(artist, current?.track.artist ?? "");
    [title.title, artist.title] = [title.textContent, artist.textContent];
    write(trouble, player.failed ? t("player.failed") : "");
    const first = current ?? player.queue.entries[player.queue.index + 1]; // what the button plays
    play.setAttribute("aria-label", t(isPlaying ? "pause" : "play.now", { title: first?.track.title ?? "" }));
    play.disabled = !first;
    previous.disabled = !current;
    next.disabled = !player.queue.hasNext;
    write(length, clock(duration));
    if (!seek.isHeld()) write(time, clock(position));
    seek.set(position, duration || 1, t("player.at", { time: clock(position), of: clock(duration) }));
    seek.element.disabled = locate.disabled = !current;
    volume.set(loudness, 1, `${Math.round(100 * loudness)} %`);
    mute.setAttribute("aria-label", t(loudness ? "player.mute" : "player.unmute"));
    mute.title = mute.getAttribute("aria-label");
    const { length: count } = player.queue.entries;
    write(queue.querySelector(".kz-badge"), count ? String(count) : "");
    queue.setAttribute("aria-label", t("queue.open", { n: count }));
    queue.title = queue.getAttribute("aria-label");
    queue.setAttribute("aria-expanded", String(panel === "queue"));
    locate.setAttribute("aria-expanded", String(panel === "locator"));
    refreshCurve(current);
  }

  return { element, play, locate, queue, refresh };
}

/** Space plays and pauses, Escape closes the panel or else stops, wherever these keys have no other meaning. */
function listenToKeys(foot, close, isOpen) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
    const { target } = event;
    const isInFoot = foot.contains(target);
    if (event.key === "Escape") {
      if (isOpen() && (isInFoot || !isText(target))) close();
      else if (!isText(target) && !document.querySelector(":popover-open, dialog[open]") && player.playing) player.stop();
      else return;
      event.preventDefault();
    } else if (event.key === " " && player.current && !isText(target) && !target.closest("button, a, select, summary, input, [role=tab]")) {
      event.preventDefault();
      player.toggle();
    }
  });
}

const isText = (target) => target.matches?.("textarea, [contenteditable], input:not([type=range], [type=checkbox], [type=radio])");
