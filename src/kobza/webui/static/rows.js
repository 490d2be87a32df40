// Playing from the rows of answers: their buttons, the line on which one seeks, and the curve of match under it.
import { curveOf, drawCurve } from "./curve.js";
import { el, iconButton, shareAt, write } from "./dom.js";
import { clock, t } from "./i18n.js";
import { locate } from "./locate.js";
import { announce } from "./notices.js";
import { player } from "./player.js";
import { onRow } from "./results.js";
import { listOf } from "./state.js";

/** What the curve of a list's rows shows: how they fit its description, or how they resemble its example; or null. */
function subjectOf({ kind, params }) {
  if (kind === "text") return params.q ? { q: params.q } : null;
  if (kind === "sound" && params.clip) return { clip: params.clip };
  return kind === "sound" && listOf(params.link).length === 1 ? { like: params.link } : null;
}

/** Give rows their sound. */
export function playRows() {
  onRow((row, hit, context) => {
    const subject = subjectOf(context);
    const own = { ...hit, subject };
    const list = () => context.hits.map((one) => (one === hit ? own : { ...one, subject }));
    const line = row.querySelector(".kz-line");
    row.querySelector(".kz-play").addEventListener("click", () => player.toggle(own, { list: list() }));
    line.addEventListener("pointermove", (event) => showTime(line, secondsAt(line, event, hit), hit.track.duration));
    line.addEventListener("click", (event) => {
      const at = secondsAt(line, event, hit);
      if (!player.isCurrent(hit.track.link)) player.play(own, { list: list(), at });
      else player.playAt(at);
    });
    row.querySelector(".kz-player").append(tools(own));
    row.classList.toggle("kz-with-curve", Boolean(subject));
    if (subject) curveOf(hit.track.link, subject).then((curve) => curve && showCurve(line, curve, hit));
    refresh(row);
  });
  player.subscribe(() => {
    const link = CSS.escape(player.current?.track.link ?? "");
    for (const row of document.querySelectorAll(`.kz-row:is(.kz-current, [data-track="${link}"])`)) refresh(row);
  });
}

function tools(hit) {
  const { title } = hit.track;
  const tool = (name, text, onclick) =>
    iconButton(name, text, { class: "kz-tool", disabled: hit.track.away, onclick });
  return el(
    "span",
    { class: "kz-tools" },
    tool("add", t("queue.add", { title }), () => announce(t(player.add([hit]) ? "queue.added" : "queue.there", { title }))),
    tool("locate", t("locate.open", { title }), () => locate(hit)),
  );
}

const secondsAt = (line, event, { track }) => shareAt(line, event) * track.duration;

function showCurve(line, curve, { track }) {
  line.querySelector(".kz-curve").replaceChildren(drawCurve(curve, track.duration));
}

/** The time under the mouse, which player.css shows. */
function showTime(line, seconds, duration) {
  line.dataset.at = clock(seconds);
  line.style.setProperty("--at", `${(100 * seconds) / (duration || 1)}%`);
}

/** A row shows whether its track plays, and where. */
function refresh(row) {
  const isCurrent = player.isCurrent(row.dataset.track);
  const isPlaying = isCurrent && player.playing && !player.failed;
  const moment = Number(row.dataset.moment);
  const at = isCurrent ? player.position : moment;
  const title = row.querySelector(".kz-title").textContent;
  row.classList.toggle("kz-current", isCurrent);
  row.classList.toggle("kz-playing", isPlaying);
  row.querySelector(".kz-played").style.width = isCurrent ? `${(100 * at) / Math.max(1, Number(row.dataset.duration))}%` : "0%";
  write(row.querySelector(".kz-time"), clock(at));
  write(row.querySelector(".kz-trouble"), isCurrent && player.failed ? t("player.failed") : "");
  const label = isPlaying ? t("pause", { title }) : t("play", { title, time: clock(at) });
  const play = row.querySelector(".kz-play");
  if (play.getAttribute("aria-label") !== label) play.setAttribute("aria-label", label);
}
