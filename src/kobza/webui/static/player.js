// One sound at a time. Every element with data-track (a row, a point on the map) can start it at its data-moment. With
// data-start the track is a part of a file: it begins there, and stops after its data-duration.
(() => {
  const audio = new Audio();
  audio.preload = "none";
  let now = ""; // key of what is loaded
  const begin = (element) => Number(element.dataset.start || 0);
  const key = (element) => `${element.dataset.track}#t=${(begin(element) + Number(element.dataset.moment)).toFixed(2)}`;
  const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
  const write = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };

  function start(element) {
    now = key(element);
    audio.src = new URL(`track/${now}`, document.baseURI).href; // "#t=" lets the browser begin at the moment
    audio.play().catch(() => {}); // what went wrong comes as the event "error"
  }

  function toggle(element) {
    if (now !== key(element) || audio.error) start(element);
    else if (audio.paused) audio.play().catch(() => {});
    else audio.pause();
  }

  function seek(line, event) {
    const row = line.closest("[data-track]");
    const box = line.getBoundingClientRect();
    const seconds = begin(row) + ((event.clientX - box.left) / box.width) * Number(row.dataset.duration);
    if (now !== key(row)) start(row);
    const go = () => (audio.currentTime = seconds);
    if (audio.readyState > 0) go();
    else audio.addEventListener("loadedmetadata", go, { once: true });
  }

  // Rows come and go, and Gradio reuses their elements: what is shown follows from `now`, whatever happened.
  function refresh() {
    let found = false;
    for (const element of document.querySelectorAll("[data-track]")) {
      const current = key(element) === now;
      found ||= current;
      const position = Math.max(0, audio.currentTime - begin(element));
      if (current && element.dataset.start && position > Number(element.dataset.duration)) audio.pause();
      element.classList.toggle("kz-current", current);
      element.classList.toggle("kz-playing", current && !audio.paused);
      if (!element.classList.contains("kz-row")) continue;
      const at = current && audio.readyState > 0 ? position : Number(element.dataset.moment);
      const share = current ? `${(100 * at) / Math.max(1, Number(element.dataset.duration))}%` : "0%";
      const played = element.querySelector(".kz-played");
      if (played.style.width !== share) played.style.width = share;
      write(element.querySelector(".kz-time"), clock(at));
      write(
        element.querySelector(".kz-trouble"),
        current && audio.error ? "This cannot be played here: its file was moved, or the browser does not know its format." : "",
      );
    }
    if (now && !found) {
      now = "";
      audio.pause();
    }
  }

  function highlight(button) {
    const chosen = button.getAttribute("aria-pressed") !== "true";
    for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(chosen && other === button));
    for (const point of document.querySelectorAll(".kz-point"))
      point.classList.toggle("kz-faint", chosen && point.dataset.hue !== button.dataset.hue);
  }

  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    if (hit(".kz-play")) toggle(hit("[data-track]"));
    else if (hit(".kz-point")) toggle(hit(".kz-point"));
    else if (hit(".kz-line")) seek(hit(".kz-line"), event);
    else if (hit(".kz-kind")) highlight(hit(".kz-kind"));
  });
  for (const name of ["play", "playing", "pause", "ended", "timeupdate", "error", "loadedmetadata"])
    audio.addEventListener(name, refresh);
  new MutationObserver(refresh).observe(document, { subtree: true, childList: true, attributeFilter: ["data-track", "data-moment"] });
})();
