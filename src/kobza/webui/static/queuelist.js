// The queue as a list that one can reorder, and keep: as a playlist file, or on a music server.
import { post } from "./api.js";
import { button, el, iconButton, write } from "./dom.js";
import { clock, t } from "./i18n.js";
import { notice } from "./notices.js";
import { player } from "./player.js";
import { savePlaylist } from "./playlistfile.js";
import { go } from "./state.js";

const MAX_NAME_LETTERS = 200;
const MAX_EXAMPLES = 20; // of the server

/** A panel: `element`; `refresh()` shows what the queue is now; `onclose` is called when it is to go. */
export function createQueueList(players) {
  const heading = el("h2", { class: "kz-heading", tabindex: "-1" });
  const list = el("ol", { class: "kz-queue" });
  const name = el("input", { type: "text", dir: "auto", maxlength: MAX_NAME_LETTERS, "aria-label": t("playlist.name"), placeholder: t("playlist.name"), autocomplete: "off" });
  const said = el("div", { class: "kz-said" });
  const clear = button(t("queue.clear"), { class: "kz-link", onclick: () => edit((queue) => queue.clear()) });
  const alike = button(t("queue.alike"), { class: "kz-link", onclick: findAlike });
  const servers = el("span", { class: "kz-servers" });
  const keep = el(
    "form",
    { class: "kz-keep", onsubmit: (event) => (event.preventDefault(), download()) },
    name,
    el("button", { class: "kz-secondary" }, t("playlist.file")),
    servers,
  );
  const element = el(
    "section",
    { "aria-label": t("queue") },
    el(
      "header",
      {},
      heading,
      alike,
      clear,
      iconButton("close", t("close"), { class: "kz-control", onclick: () => panel.onclose() }),
    ),
    list,
    keep,
    said,
  );
  const panel = { element, refresh, focus: () => heading.focus(), onclose: () => {} };
  let shown = "";
  let dragged = null; // the index of the entry that the mouse moves

  const links = () => player.queue.entries.filter((hit) => !hit.clip).map((hit) => hit.track.link);

  function refresh() {
    const { entries, index, aside, isOwn } = player.queue;
    const key = JSON.stringify([entries.map((hit) => hit.track.link), index, Boolean(aside), isOwn]);
    if (key === shown) return;
    shown = key;
    write(heading, t(entries.length ? (isOwn ? "queue.own" : "queue.list") : "queue.empty"));
    list.replaceChildren(...entries.map((hit, i) => entry(hit, i, i === index && !aside)));
    clear.hidden = !entries.length;
    keep.hidden = alike.hidden = !links().length;
    servers.replaceChildren(...players().flatMap((to) => [serverButton(to, "queue"), serverButton(to, "playlist")]));
  }

  /** The answers that sound like all of them together. */
  function findAlike() {
    go({ tab: "listen", like: links().slice(0, MAX_EXAMPLES).join(","), clip: "", but: "", minus: "" });
    panel.onclose();
    document.dispatchEvent(new CustomEvent("kz-like", { detail: { asks: false } }));
  }

  function entry({ track }, i, isCurrent) {
    const { title, artist } = track;
    const tool = (icons, key, onclick, disabled = false) =>
      iconButton(icons, t(key, { title }), { class: "kz-tool", disabled, data: { tool: key }, onclick });
    const drag = {
      draggable: "true", // with the mouse; keys and fingers have the buttons
      ondragstart: () => (dragged = i),
      ondragover: (event) => dragged !== null && event.preventDefault(),
      ondrop: (event) => {
        event.preventDefault();
        const from = dragged;
        if (from !== null) edit((queue) => queue.move(from, i), i);
      },
      ondragend: () => (dragged = null),
    };
    return el(
      "li",
      { class: isCurrent ? "kz-current" : "", "aria-current": isCurrent ? "true" : null, ...drag },
      el(
        "button",
        { class: "kz-entry", type: "button", onclick: () => player.jump(i), "aria-label": t("queue.play", { title }) },
        el("span", { class: "kz-title", dir: "auto", title }, title),
        el("span", { class: "kz-artist", dir: "auto" }, artist),
      ),
      el("span", { class: "kz-of" }, clock(track.duration)),
      tool("up", "queue.up", () => edit((queue) => queue.move(i, i - 1), i - 1, "queue.up"), i === 0),
      tool("down", "queue.down", () => edit((queue) => queue.move(i, i + 1), i + 1, "queue.down"), i === player.queue.entries.length - 1),
      tool("close", "queue.remove", () => edit((queue) => queue.remove(i), i, "queue.remove")),
    );
  }

  /** Change the queue; then the focus goes to the same button of the entry `at`, or near it. */
  function edit(change, at = 0, key = "") {
    player.edit(change);
    refresh();
    const row = list.children[Math.min(at, list.children.length - 1)];
    const tools = row ? [...row.querySelectorAll(".kz-tool:enabled")] : [];
    (tools.find((one) => one.dataset.tool === key) ?? tools.at(-1) ?? heading).focus();
  }

  function serverButton(to, action) {
    const text = t(`playlist.${action}`, { server: t(`server.${to}`) });
    return button(text, { class: "kz-secondary", onclick: (event) => say(event.currentTarget, () => send(to, action)) });
  }

  async function send(to, action) {
    const { count, place, unknown } = await post("send", { to, action, name: name.value, links: links() });
    const sent = t("playlist.sent", { n: count, place });
    return unknown.length ? `${sent} ${t("playlist.unknown", { titles: unknown.join(", ") })}` : sent;
  }

  const download = () =>
    say(keep.querySelector("button"), async () => t("playlist.saved", { file: await savePlaylist(links(), name.value) }));

  /** Do it, and say what came of it. */
  async function say(control, work) {
    control.disabled = true;
    try {
      said.replaceChildren(notice(await work()));
    } catch (error) {
      said.replaceChildren(notice(error.message));
    } finally {
      control.disabled = false;
    }
  }

  return panel;
}
