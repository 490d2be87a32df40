// The one player of the page: what sounds, where it is, and what comes next. `subscribe` tells of every change.
//
// A "hit" is an answer of the server: {track: {link, title, artist, duration, start, ...}, moment, ...}. With `start`
// the track is a part of a file: it begins there, and ends after its duration. A clip has `src`, the address of its sound.

import { Queue } from "./queue.js";

const SOON = 3; // seconds; "previous" within them goes to the track before, later back to where this one began
const SKIP_MILLISECONDS = 3000;
const KEPT = "kobza.queue";
const VOLUME = "kobza.volume";

const audio = new Audio();
audio.preload = "none";
const queue = new Queue();
const listeners = [];
const channel = "BroadcastChannel" in window ? new BroadcastChannel("kobza.player") : null;
let origin = 0; // second of the track from which what is loaded was played; a replay begins there again
let failed = false;
let wentOn = false; // by itself, from the track before

export const player = {
  queue,

  get current() {
    return queue.current;
  },
  get playing() {
    return !audio.paused;
  },
  get failed() {
    return failed;
  },
  get duration() {
    const { current } = queue;
    if (!current) return 0;
    return current.track.duration || (Number.isFinite(audio.duration) ? audio.duration : 0);
  },
  // Seconds since the track's beginning.
  get position() {
    return audio.readyState > 0 ? Math.max(0, audio.currentTime - begin()) : origin;
  },
  get volume() {
    return audio.muted ? 0 : audio.volume;
  },

  isCurrent(link) {
    return queue.current?.track.link === link;
  },

  subscribe(listener) {
    listeners.push(listener);
  },

  // Play an answer from `at` (by default its moment); the answers around it in `list` come before and after it.
  play(hit, { list, at } = {}) {
    queue.start(hit, list);
    wentOn = false;
    load(at ?? hit.moment ?? 0);
    resume();
  },

  // What a play button does; the player's own begins with the queue, if nothing has played.
  toggle(hit = queue.current, options) {
    if (!hit) return this.next();
    if (!this.isCurrent(hit.track.link)) this.play(hit, options);
    else if (!audio.paused && !failed) audio.pause();
    else if (failed || isOver()) again();
    else resume();
  },

  pause() {
    audio.pause();
  },

  stop() {
    audio.pause();
    seekTo(origin);
    changed();
  },

  seek(seconds) {
    if (!queue.current) return;
    seekTo(Math.min(Math.max(0, seconds), Math.max(0, this.duration - 0.1)));
    changed();
  },

  // Play what is current from `seconds`.
  playAt(seconds) {
    if (failed) load(seconds);
    else this.seek(seconds);
    resume();
  },

  next() {
    wentOn = false;
    turnTo(queue.next());
  },

  previous() {
    if (this.position - origin > SOON || !queue.hasPrevious) again();
    else turnTo(queue.previous());
  },

  jump(index) {
    wentOn = false;
    turnTo(queue.jump(index));
  },

  add(hits) {
    const count = queue.add(hits);
    keep();
    changed();
    return count;
  },

  // Anything else that changes the queue: player.edit((queue) => queue.move(1, 0)).
  edit(change) {
    change(queue);
    keep();
    changed();
  },

  setVolume(volume) {
    audio.muted = false;
    audio.volume = Math.min(1, Math.max(0, volume));
    store("localStorage", VOLUME, audio.volume);
  },

  toggleMute() {
    audio.muted = !audio.muted;
  },
};

const begin = () => queue.current?.track.start || 0;
const isPart = () => queue.current?.track.start != null;
const isOver = () => audio.ended || (isPart() && player.position >= player.duration);

function load(seconds) {
  origin = seconds;
  failed = false;
  const { src, track } = queue.current;
  // "#t=" lets the browser begin at the moment, without the beginning of the file.
  audio.src = src ?? new URL(`track/${track.link}#t=${(begin() + seconds).toFixed(2)}`, document.baseURI).href;
  if (src) seekTo(seconds);
  keep();
  changed();
}

function resume() {
  audio.play().catch(() => {}); // what went wrong comes as the event "error"
}

function again() {
  if (failed) load(origin);
  else seekTo(origin);
  resume();
}

function turnTo(hit) {
  if (!hit) return;
  load(hit.moment ?? 0);
  resume();
}

function seekTo(seconds) {
  const go = () => (audio.currentTime = begin() + seconds);
  if (audio.readyState > 0) go();
  else {
    const { src } = audio;
    audio.addEventListener("loadedmetadata", () => audio.src === src && go(), { once: true });
    if (queue.current && !queue.current.src) origin = seconds;
  }
}

function changed() {
  for (const listener of listeners) listener(player);
}

// `storage` is named, "localStorage" or "sessionStorage": where a browser keeps nothing for a page, as in a frame of
// another site, even to ask for it is an error.
function store(storage, key, value) {
  try {
    window[storage].setItem(key, JSON.stringify(value));
  } catch {
    // The queue is forgotten when the page is loaded again.
  }
}

function stored(storage, key) {
  try {
    return JSON.parse(window[storage].getItem(key));
  } catch {
    return null;
  }
}

// The queue outlives loading the page again, in this tab of the browser only.
function keep() {
  const entries = queue.entries.filter((hit) => !hit.src);
  store("sessionStorage", KEPT, { entries, link: queue.current?.track.link, isOwn: queue.isOwn });
}

export function restore() {
  const volume = stored("localStorage", VOLUME);
  if (typeof volume === "number") audio.volume = Math.min(1, Math.max(0, volume));
  const value = stored("sessionStorage", KEPT);
  if (!Array.isArray(value?.entries)) return;
  queue.entries = value.entries;
  queue.isOwn = Boolean(value.isOwn);
  queue.index = queue.find(value.link);
  if (queue.current) load(queue.current.moment ?? 0);
}

// Whatever else begins to sound here, or in another tab, ends ours; and ours ends it.
document.addEventListener(
  "play",
  (event) => {
    if (event.target !== audio) audio.pause();
  },
  true,
);
audio.addEventListener("play", () => {
  for (const other of document.querySelectorAll("audio, video")) other.pause();
  channel?.postMessage("play");
});
channel?.addEventListener("message", () => audio.pause());

function whenOver() {
  if (!queue.hasNext) audio.pause();
  else {
    player.next();
    wentOn = true;
  }
}

audio.addEventListener("ended", whenOver);
audio.addEventListener("timeupdate", () => {
  if (isPart() && !audio.paused && isOver()) whenOver();
});
audio.addEventListener("error", () => {
  failed = true;
  // Who listens to a queue need not come and skip what cannot be played.
  const { current } = queue;
  if (wentOn) setTimeout(() => failed && queue.current === current && whenOver(), SKIP_MILLISECONDS);
});
for (const name of ["play", "playing", "pause", "ended", "timeupdate", "seeked", "error", "loadedmetadata", "volumechange"])
  audio.addEventListener(name, changed);
