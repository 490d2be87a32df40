// Sentences for the visitor: seen, or only read out by a screen reader.
import { el } from "./dom.js";

const WAIT_MS = 150; // a screen reader misses a text that changes together with the rest of the page
let region;
let timer;
let waiting = []; // texts that are read out together

/** Read a text out, politely. Also the same text again; texts that come at once are read one after the other. */
export function announce(text) {
  if (!region) {
    region = el("div", { class: "kz-unseen", role: "status", "aria-live": "polite", id: "announcements" });
    document.body.append(region);
  }
  clearTimeout(timer);
  region.textContent = "";
  waiting.push(text);
  timer = setTimeout(() => {
    region.textContent = waiting.join(" ");
    waiting = [];
  }, WAIT_MS);
}

/** A sentence in place of results, with buttons after it; it is read out, too. */
export function notice(text, ...actions) {
  announce(text);
  return el("p", { class: "kz-notice" }, el("span", { dir: "auto" }, text), ...actions);
}
