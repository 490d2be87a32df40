// Where a point of the map is on the screen, which point is where, and what an outline encloses. Nothing here draws.

const MAX_ZOOM = 80; // relative to the whole map
const CELLS = 96; // of the grid, on each side

/** What part of the unit square is seen: `x`, `y` in the middle, `scale` pixels for one unit. y points upwards. */
export class View {
  constructor() {
    Object.assign(this, { x: 0.5, y: 0.5, scale: 1, stretch: 1, width: 1, height: 1, whole: 1 });
  }

  /** The size of the screen in pixels; what is in the middle stays there. `margin`: pixels left free at the edges. */
  resize(width, height, margin) {
    const zoom = this.zoom;
    Object.assign(this, { width, height });
    this.whole = Math.max(50, Math.min(width, height * 1.6) - 2 * margin);
    this.stretch = Math.min(1, (height - 2 * margin) / this.whole); // a low screen shows the map a little flatter
    this.scale = this.whole * zoom;
  }

  get zoom() {
    return this.scale / this.whole;
  }

  toScreen(x, y) {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale * this.stretch];
  }

  toMap(left, top) {
    return [this.x + (left - this.width / 2) / this.scale, this.y - (top - this.height / 2) / (this.scale * this.stretch)];
  }

  panBy(dx, dy) {
    this.x -= dx / this.scale;
    this.y += dy / (this.scale * this.stretch);
    this.clamp();
  }

  /** Zoom by `factor`; what is at this place of the screen stays there. */
  zoomAt(left, top, factor) {
    const [x, y] = this.toMap(left, top);
    this.scale = this.whole * Math.min(MAX_ZOOM, Math.max(1, this.zoom * factor));
    const [nowX, nowY] = this.toMap(left, top);
    this.x += x - nowX;
    this.y += y - nowY;
    this.clamp();
  }

  showAll() {
    Object.assign(this, { x: 0.5, y: 0.5, scale: this.whole });
  }

  /** Move just so far that a point is seen, `margin` pixels from the edges. */
  reveal(x, y, margin) {
    const [left, top] = this.toScreen(x, y);
    const dx = Math.max(margin - left, 0) + Math.min(this.width - margin - left, 0);
    const dy = Math.max(margin - top, 0) + Math.min(this.height - margin - top, 0);
    if (dx || dy) this.panBy(dx, dy);
  }

  clamp() {
    this.x = Math.min(1, Math.max(0, this.x));
    this.y = Math.min(1, Math.max(0, this.y));
    if (this.zoom <= 1.001) this.x = this.y = 0.5;
  }

  /** Whether this place is on the screen. */
  shows(left, top) {
    return left >= 0 && top >= 0 && left <= this.width && top <= this.height;
  }

  /** The corners of what is seen, as an outline. */
  corners() {
    const { width, height } = this;
    return [[0, 0], [width, 0], [width, height], [0, height]].map(([left, top]) => this.toMap(left, top));
  }
}

/** Finds points by their places: a grid of cells, each with its points. */
export class PointIndex {
  constructor({ n, x, y }) {
    Object.assign(this, { n, x, y });
    const cells = new Uint32Array(n);
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    for (let i = 0; i < n; i += 1) {
      cells[i] = cellOf(x[i]) + CELLS * cellOf(y[i]);
      this.starts[cells[i] + 1] += 1;
    }
    for (let cell = 0; cell < CELLS * CELLS; cell += 1) this.starts[cell + 1] += this.starts[cell];
    const next = this.starts.slice();
    this.members = new Uint32Array(n);
    for (let i = 0; i < n; i += 1) this.members[next[cells[i]]++] = i;
  }

  /** Call `visit(i)` for each point in the cells that a box touches: all points of the box, and some around it. */
  around(left, bottom, right, top, visit) {
    for (let row = cellOf(bottom); row <= cellOf(top); row += 1)
      for (let cell = cellOf(left) + CELLS * row; cell <= cellOf(right) + CELLS * row; cell += 1)
        for (let k = this.starts[cell]; k < this.starts[cell + 1]; k += 1) visit(this.members[k]);
  }

  /** The point nearest to a place of the screen, at most `pixels` away; -1 if there is none. */
  nearest(view, left, top, pixels, isShown = () => true) {
    const [x1, y1] = view.toMap(left - pixels, top + pixels);
    const [x2, y2] = view.toMap(left + pixels, top - pixels);
    let best = -1;
    let least = pixels * pixels;
    this.around(x1, y1, x2, y2, (i) => {
      const [px, py] = view.toScreen(this.x[i], this.y[i]);
      const distance = (px - left) ** 2 + (py - top) ** 2;
      if (distance > least || !isShown(i)) return;
      [best, least] = [i, distance];
    });
    return best;
  }

  /** The point that follows `from` in a direction, [1, 0] to the right, [0, 1] upwards; -1 if there is none. */
  towards(from, [dx, dy], isShown = () => true) {
    let best = -1;
    let least = Infinity;
    for (let i = 0; i < this.n; i += 1) {
      const [ex, ey] = [this.x[i] - this.x[from], this.y[i] - this.y[from]];
      const along = ex * dx + ey * dy;
      const aside = Math.abs(ex * dy - ey * dx);
      if (along <= 0 || aside > along || i === from) continue;
      const distance = along + 2 * aside; // what lies straight ahead comes first
      if (distance < least && isShown(i)) [best, least] = [i, distance];
    }
    return best;
  }

  /** The points inside an outline, by the even-odd rule, in their order. */
  inside(outline) {
    const xs = outline.map(([x]) => x);
    const ys = outline.map(([, y]) => y);
    const found = [];
    this.around(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys), (i) => {
      if (contains(outline, this.x[i], this.y[i])) found.push(i);
    });
    return found.sort((a, b) => a - b);
  }
}

const cellOf = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor(value * CELLS)));

function contains(outline, x, y) {
  let isInside = false;
  outline.forEach(([x1, y1], k) => {
    const [x2, y2] = outline.at(k - 1);
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) isInside = !isInside;
  });
  return isInside;
}

const MOST_CORNERS = 48;

/** An outline with fewer corners and three decimals, as it stands in addresses: "0.12,0.5 0.2,0.61 ..." */
export function outlineText(outline) {
  const step = Math.max(1, outline.length / MOST_CORNERS);
  const corners = [];
  for (let at = 0; at < outline.length; at += step) corners.push(outline[Math.floor(at)]);
  return corners.map((corner) => corner.map((value) => String(Math.round(value * 1000) / 1000)).join(",")).join(" ");
}

/** The inverse of `outlineText`; null for what is no outline. */
export function parseOutline(text) {
  const corners = text.trim().split(/\s+/).map((corner) => corner.split(",").map(Number));
  const isOutline = corners.length > 2 && corners.every((corner) => corner.length === 2 && corner.every(Number.isFinite));
  return isOutline ? corners : null;
}
