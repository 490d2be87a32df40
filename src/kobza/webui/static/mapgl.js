// Draws points by WebGL 2: one call for all of them, so a hundred thousand move smoothly.

const VERTEX = `#version 300 es
in vec2 position;
in vec4 colour;
in float lift;      // 1: above the others, and larger
uniform vec2 scale; // from map units to clip space
uniform vec2 centre;
uniform float size; // pixels
uniform float layer;
uniform float ratio; // device pixels for one of the page
out vec4 tint;
void main() {
  bool isShown = lift == layer && colour.a > 0.0;
  gl_Position = isShown ? vec4((position - centre) * scale, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = size + 4.0 * ratio * lift;
  tint = colour;
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 tint;
out vec4 pixel;
uniform float softness; // of a point's edge, in parts of its radius
void main() {
  float radius = 2.0 * length(gl_PointCoord - 0.5);
  float cover = 1.0 - smoothstep(1.0 - softness, 1.0, radius);
  if (cover <= 0.0) discard;
  pixel = vec4(tint.rgb, 1.0) * tint.a * cover;
}`;

/** Whether this browser draws by WebGL 2. */
export function canDraw() {
  return Boolean(document.createElement("canvas").getContext("webgl2"));
}

export class PointRenderer {
  constructor(canvas) {
    this.canvas = canvas;
    this.n = 0;
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.start());
    this.start();
  }

  start() {
    const gl = (this.gl = this.canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true }));
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.uniforms = Object.fromEntries(
      ["scale", "centre", "size", "layer", "ratio", "softness"].map((name) => [name, gl.getUniformLocation(program, name)]),
    );
    this.buffers = {};
    for (const [name, count, type] of [["position", 2, gl.FLOAT], ["colour", 4, gl.UNSIGNED_BYTE], ["lift", 1, gl.UNSIGNED_BYTE]]) {
      const at = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, (this.buffers[name] = gl.createBuffer()));
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, count, type, name === "colour", 0, 0);
    }
    if (this.positions) this.setPoints(this.positions);
    if (this.colours) this.setLook(this.colours, this.lifts);
  }

  /** positions: Float32Array of x and y for each point. */
  setPoints(positions) {
    this.positions = positions;
    this.n = 0; // until their look is there
    this.fill("position", positions);
  }

  /** colours: RGBA bytes for each point, one with alpha 0 is not drawn; lifts: 1 for those that are above the others. */
  setLook(colours, lifts) {
    Object.assign(this, { colours, lifts });
    this.fill("colour", colours);
    this.fill("lift", lifts);
    this.n = lifts.length;
    this.hasLifted = lifts.includes(1);
  }

  fill(name, data) {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, data, this.gl.STATIC_DRAW);
  }

  /** Draw what a view shows, with points of `size` pixels. */
  draw(view, size) {
    const { gl, canvas, uniforms } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(uniforms.scale, (2 * view.scale) / view.width, (2 * view.scale * view.stretch) / view.height);
    gl.uniform2f(uniforms.centre, view.x, view.y);
    gl.uniform1f(uniforms.size, size * ratio);
    gl.uniform1f(uniforms.ratio, ratio);
    gl.uniform1f(uniforms.softness, Math.min(1, 3 / (size * ratio)));
    for (const layer of this.hasLifted ? [0, 1] : [0]) {
      gl.uniform1f(uniforms.layer, layer);
      gl.drawArrays(gl.POINTS, 0, this.n);
    }
  }
}
