// The map itself: points, names over them, and what one does with mouse, fingers and keys.
import { el, svg } from "./dom.js";
import { PointRenderer } from "./mapgl.js";
import { placeLabels } from "./maplabels.js";
import { PointIndex, View } from "./mapview.js";

const MARGIN = 44; // pixels around the whole map
const REACH = 14; // pixels: how far from a point a click still means it
const CLICK_PIXELS = 5; // that a finger may move within a click
const WHEEL = 0.0016;
const STEP = 1.5; // of zooming by key or button

/**
 * `element` goes on the page. `handlers`: choose(i), hover(i or -1, left, top), outline(corners), step(i): the
 * keyboard has gone there, escape() -> whether that ended something, moved(): after each change of what is seen. Points
 * are told by their numbers.
 */
export function createStage(handlers, label, hintId) {
  const canvas = el("canvas", { class: "kz-map-points", "aria-hidden": "true" });
  const names = el("div", { class: "kz-map-names", "aria-hidden": "true" });
  const marks = svg("svg", { class: "kz-map-marks", "aria-hidden": "true" });
  const element = el(
    "div",
    { class: "kz-map", tabindex: "0", role: "application", "aria-label": label, "aria-describedby": hintId },
    canvas,
    marks,
    names,
  );
  const renderer = new PointRenderer(canvas);
  const view = new View();
  const stage = {
    element,
    view,
    isLasso: false,
    names: [], // {text, x, y, offset, className}: the first ones have the right of way
    dots: [], // points in sight, where they are few: names keep off them
    current: -1,
    hovered: -1,
    path: [], // numbers of the points that it goes through
    outline: null, // corners, of what is chosen
    isShown: () => true,
    setPoints(points) {
      stage.points = points;
      stage.index = new PointIndex(points);
      renderer.setPoints(points.positions);
    },
    setLook(colours, lifts) {
      renderer.setLook(colours, lifts);
      redraw();
    },
    redraw,
    zoom(factor) {
      view.zoomAt(view.width / 2, view.height / 2, factor);
      redraw();
    },
    showAll() {
      view.showAll();
      redraw();
    },
    reveal(i) {
      view.reveal(stage.points.x[i], stage.points.y[i], MARGIN);
      redraw();
    },
    size: () => pointSize(stage.points?.n ?? 0, view.zoom),
  };
  let frame = 0;

  function redraw() {
    frame ||= requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    if (!stage.points || !element.clientWidth) return;
    view.resize(element.clientWidth, element.clientHeight, Math.min(MARGIN, element.clientWidth / 12));
    renderer.draw(view, stage.size());
    drawMarks();
    placeLabels(names, stage, view);
    handlers.moved();
  }

  function drawMarks() {
    const { x, y } = stage.points;
    const at = (i) => view.toScreen(x[i], y[i]);
    const ring = (i, className) => i >= 0 && svg("circle", { class: className, cx: at(i)[0], cy: at(i)[1], r: stage.size() / 2 + 4 });
    const line = (corners, tag, className) =>
      corners?.length > 1 && svg(tag, { class: className, points: corners.map((one) => one.map(Math.round).join(",")).join(" ") });
    const drawn = drawing && drawing.map(([mx, my]) => view.toScreen(mx, my));
    marks.replaceChildren(
      ...[
        line(stage.outline?.map(([mx, my]) => view.toScreen(mx, my)), "polygon", "kz-map-outline"),
        line(drawn, "polygon", "kz-map-outline kz-map-drawing"),
        line(stage.path.map(at), "polyline", "kz-map-path"),
        ...stage.path.map((i) => ring(i, "kz-map-stop")),
        ring(stage.hovered, "kz-map-ring kz-map-hovered"),
        ring(stage.current, "kz-map-ring"),
      ].filter(Boolean),
    );
  }

  // Mouse and fingers
  const fingers = new Map(); // pointerId -> [left, top]
  let drawing = null; // the corners of an outline, in map units
  let moved = 0;

  const place = (event) => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left - element.clientLeft, event.clientY - box.top - element.clientTop];
  };
  const pointAt = (event) => stage.index.nearest(view, ...place(event), REACH + stage.size() / 2, stage.isShown);

  element.addEventListener("pointerdown", (event) => {
    if (event.button || !stage.points) return;
    element.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    moved = fingers.size > 1 ? Infinity : 0;
    drawing = (stage.isLasso || event.shiftKey) && fingers.size === 1 ? [view.toMap(...place(event))] : null;
  });

  element.addEventListener("pointermove", (event) => {
    if (!stage.points) return;
    const before = fingers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") hover(pointAt(event), event);
      return;
    }
    const now = place(event);
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (drawing) drawing.push(view.toMap(...now));
    else if (fingers.size === 2) pinch(event.pointerId, before, now);
    else if (moved > CLICK_PIXELS) view.panBy(now[0] - before[0], now[1] - before[1]);
    fingers.set(event.pointerId, now);
    if (moved > CLICK_PIXELS) hover(-1, event);
    redraw();
  });

  function pinch(id, before, now) {
    const [, other] = [...fingers].find(([one]) => one !== id);
    const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
    view.panBy((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    view.zoomAt((now[0] + other[0]) / 2, (now[1] + other[1]) / 2, distance(now, other) / Math.max(1, distance(before, other)));
  }

  element.addEventListener("pointerup", (event) => {
    if (!fingers.delete(event.pointerId)) return;
    const corners = drawing;
    drawing = null;
    if (corners && moved > 4 * CLICK_PIXELS) handlers.outline(corners);
    else if (moved <= CLICK_PIXELS) {
      const i = pointAt(event);
      if (i >= 0) handlers.choose(i);
    }
    redraw();
  });
  element.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    drawing = null;
  });
  element.addEventListener("pointerleave", (event) => hover(-1, event));
  element.addEventListener("dblclick", (event) => {
    if (pointAt(event) < 0) view.zoomAt(...place(event), STEP * STEP);
    redraw();
  });
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      view.zoomAt(...place(event), Math.exp(-event.deltaY * (event.deltaMode ? 20 : 1) * WHEEL * (event.ctrlKey ? 4 : 1)));
      redraw();
    },
    { passive: false },
  );

  function hover(i, event) {
    if (i === stage.hovered) return;
    stage.hovered = i;
    element.classList.toggle("kz-map-on-point", i >= 0);
    handlers.hover(i, ...place(event));
    redraw();
  }

  // Keys
  const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  element.addEventListener("keydown", (event) => {
    if (!stage.points?.n || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!onKey(event.key)) return;
    event.preventDefault();
    event.stopPropagation(); // the player has keys, too
    redraw();
  });

  function onKey(key) {
    const { n } = stage.points;
    if (key in ARROWS) return stage.current < 0 ? walk(middle()) : walk(stage.index.towards(stage.current, ARROWS[key], stage.isShown));
    if (key === "PageDown" || key === "PageUp") return walk(following(key === "PageDown" ? 1 : -1));
    if (key === "Home") return walk(following(1, -1));
    if (key === "End") return walk(following(-1, n));
    if ((key === "Enter" || key === " ") && stage.current >= 0) return handlers.choose(stage.current), true;
    if (key === "+" || key === "=") return zoomOnCurrent(STEP);
    if (key === "-") return zoomOnCurrent(1 / STEP);
    if (key === "0") return stage.showAll(), true;
    if (key === "Escape") return handlers.escape();
    return false;
  }

  function walk(i) {
    if (i >= 0) {
      stage.current = i;
      stage.reveal(i);
      handlers.step(i);
    }
    return true;
  }

  const middle = () => stage.index.nearest(view, view.width / 2, view.height / 2, Math.max(view.width, view.height), stage.isShown);

  function following(step, from = stage.current) {
    for (let i = from + step; i >= 0 && i < stage.points.n; i += step) if (stage.isShown(i)) return i;
    return -1;
  }

  function zoomOnCurrent(factor) {
    const { x, y } = stage.points;
    const at = stage.current >= 0 ? view.toScreen(x[stage.current], y[stage.current]) : [view.width / 2, view.height / 2];
    view.zoomAt(...at, factor);
    return true;
  }

  canvas.addEventListener("webglcontextrestored", redraw);
  new ResizeObserver(redraw).observe(element);
  return stage;
}

/** The diameter of points in pixels: smaller where there are many, larger from near. */
function pointSize(n, zoom) {
  const whole = Math.min(14, Math.max(3, 60 / Math.sqrt(Math.max(1, n)) ** 0.62));
  return Math.min(16, whole * zoom ** 0.45);
}
