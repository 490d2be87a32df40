// A visitor's own recording: chosen, dropped or recorded. The address keeps its name on the server as `clip`.
import { isStale, post, remove as erase } from "./api.js";
import { button, el } from "./dom.js";
import { clock, length, t } from "./i18n.js";
import { locate } from "./locate.js";
import { announce, notice } from "./notices.js";
import { player } from "./player.js";
import { MAX_SECONDS, startRecording } from "./recorder.js";
import { go } from "./state.js";

const MAX_MEGABYTES = 60; // that the server takes
const known = new Map(); // clip -> {name, seconds, note, src: the address of its sound}: what the address does not tell

/** What the visitor calls a clip. */
export const clipName = (clip) => known.get(clip)?.name ?? t("clip.yours");

/** A clip as the player takes it; its sound is known only where it was chosen. */
function clipHit(clip) {
  const { seconds = 0, src } = known.get(clip) ?? {};
  return { clip, src, moment: 0, track: { link: `clip:${clip}`, title: clipName(clip), artist: "", duration: seconds, start: null } };
}

/**
 * A place to drop a recording, with buttons to choose and to record one. `element` goes on the page;
 * `show(clip, isSmall)` brings it up to date. `changes`: what else the state becomes when a clip has come.
 */
export function createClipInput(id, changes = {}) {
  const file = el("input", { id, class: "kz-unseen", type: "file", accept: "audio/*,video/*,.flac,.opus,.mka", onchange: chosen });
  const label = el("label", { for: id, class: "kz-primary kz-choose" }, t("clip.choose"));
  const record = button(t("clip.record"), { class: "kz-secondary", onclick: () => (recording ? recording.stop() : startNow()) });
  const about = el("p", { class: "kz-clip-about", dir: "auto" });
  const listen = button(t("clip.play"), { class: "kz-link", onclick: () => player.toggle(clipHit(shown)) });
  const where = button(t("locate.title"), { class: "kz-link", onclick: () => locate(clipHit(shown)) });
  const remove = button(t("clip.remove"), { class: "kz-link", onclick: () => forget(true) });
  const said = el("div", {});
  const place = el(
    "div",
    { class: "kz-drop", role: "group", "aria-label": t("clip.label"), ondragover: over, ondragleave: leave, ondrop: dropped },
    el("p", { class: "kz-drop-text" }, t("clip.drop")),
    el("div", { class: "kz-drop-buttons" }, file, label, record),
    el("div", { class: "kz-clip" }, about, listen, where, remove),
  );
  const element = el("div", { class: "kz-clip-input" }, place, said, el("p", { class: "kz-note" }, t("clip.hint", { n: MAX_SECONDS / 60 })));
  let shown = "";
  let recording = null; // {stop}: from the press of the button on

  function over(event) {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    place.classList.add("kz-over");
  }

  function leave(event) {
    if (!place.contains(event.relatedTarget)) place.classList.remove("kz-over");
  }

  function dropped(event) {
    place.classList.remove("kz-over");
    const [first] = event.dataTransfer.files;
    if (!first) return;
    event.preventDefault();
    send(first, first.name);
  }

  function chosen() {
    const [first] = file.files;
    if (first) send(first, first.name);
    file.value = ""; // so that the same file can be chosen again
  }

  async function startNow() {
    said.replaceChildren();
    player.pause(); // or the microphone hears it
    recording = { stop: () => {} }; // pressed again before the microphone is there: that starts no second one
    try {
      recording = await startRecording((seconds) => (record.textContent = t("clip.stop", { time: clock(seconds) })));
    } catch (error) {
      recording = null;
      return say(error.message);
    }
    announce(t("clip.recording"));
    const sound = await recording.sound;
    recording = null;
    record.textContent = t("clip.record");
    send(sound, t("clip.recorded"));
  }

  async function send(sound, name) {
    if (sound.size > MAX_MEGABYTES * 1024 * 1024) return say(t("clip.large", { n: MAX_MEGABYTES }));
    about.textContent = t("clip.listening", { name });
    announce(about.textContent);
    said.replaceChildren();
    listen.hidden = where.hidden = remove.hidden = true;
    place.setAttribute("aria-busy", "true");
    try {
      const { clip, seconds, note } = await post(`clips?${new URLSearchParams({ name: name.slice(-200) })}`, sound, "clip");
      known.set(clip, { name, seconds, note, src: URL.createObjectURL(sound) });
      shown = "";
      go({ ...changes, clip });
      document.dispatchEvent(new CustomEvent("kz-like", { detail: { asks: false } })); // to the answers, where they are seen
    } catch (error) {
      if (isStale(error)) return;
      forget();
      say(error.message);
    } finally {
      place.removeAttribute("aria-busy");
    }
  }

  function say(sentence) {
    said.replaceChildren(notice(sentence));
  }

  function forget(isErased = false) {
    if (isErased && shown) erase(`clips/${encodeURIComponent(shown)}`).catch(() => {}); // it leaves by itself in an hour
    shown = "";
    const hadFocus = document.activeElement === remove;
    go({ clip: "" });
    show("");
    if (hadFocus) file.focus();
  }

  function show(clip = "", isSmall = Boolean(clip)) {
    element.classList.toggle("kz-small", isSmall);
    if (clip === shown && clip) return;
    shown = clip;
    where.hidden = remove.hidden = !clip;
    listen.hidden = !known.get(clip)?.src;
    const { seconds, note } = known.get(clip) ?? {};
    about.textContent = clip ? [clipName(clip), seconds && (seconds < 90 ? clock(seconds) : length(seconds))].filter(Boolean).join(" · ") : "";
    said.replaceChildren(...(note === "cut" ? [notice(t("clip.cut", { n: MAX_SECONDS / 60 }))] : []));
  }

  return { element, show };
}
