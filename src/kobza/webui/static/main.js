// The page's search: what is asked, and a row for each answer.
const answers = document.querySelector("#answers");
const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

async function ask(path) {
  const response = await fetch(path);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function row(hit, index) {
  const { track } = hit;
  const tags = element("span", "kz-tags", ...track.tags.map((tag) => element("span", "kz-tag", tag)));
  const name = element("div", "kz-name", element("span", "kz-title", track.title), element("span", "kz-artist", track.artist), tags);
  const audio = element("audio", "kz-player");
  audio.controls = true;
  audio.preload = "none";
  audio.src = `track/${track.link}#t=${(track.start ?? 0) + hit.moment}`;
  const score = element("div", "kz-score", element("span", "kz-figure", hit.score.toFixed(2)), hit.match ?? "", ` ${clock(hit.moment)}`);
  const made = element("li", "kz-row", element("span", "kz-rank", String(index + 1)), name, audio, score);
  made.dataset.track = track.link;
  return made;
}

async function search(text) {
  try {
    const { hits } = await ask(`api/search?${new URLSearchParams({ q: text })}`);
    answers.replaceChildren(element("ol", "kz-rows", ...hits.map(row)));
  } catch (error) {
    answers.replaceChildren(element("p", "kz-notice", error.message));
  }
}

document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  search(document.querySelector("#query").value);
});
ask("api/library").then(({ tracks, seconds }) => {
  document.querySelector(".kz-held").textContent = `${tracks} tracks · ${Math.max(1, Math.round(seconds / 60))} min`;
});
