// What all widgets that draw a radiograph share: the card they stand on, and the strokes on the picture.
// Python puts this in front of each widget's own module, so that what reaches the browser is one module.

// The book's theme and JupyterLab name their colours in variables, which reach into the shadow tree and follow the
// reader's choice of light or dark. A page that has neither follows the system.
const CARD_STYLE = `
:host {
  --plain-ink: #222832; --plain-muted: #48566b; --plain-paper: #ffffff; --plain-line: #d1d5da; --plain-accent: #176de8;
  display: block; width: 100%; margin: 0.5rem 0; container-type: inline-size;
}
@media (prefers-color-scheme: dark) {
  :host { --plain-ink: #ced6dd; --plain-muted: #9ca4af; --plain-paper: #1b2027; --plain-line: #48566b; --plain-accent: #79a3f2; }
}
.card {
  --ink: var(--pst-color-text-base, var(--jp-ui-font-color1, var(--plain-ink)));
  --muted: var(--pst-color-text-muted, var(--jp-ui-font-color2, var(--plain-muted)));
  --paper: var(--pst-color-on-background, var(--jp-layout-color1, var(--plain-paper)));
  --line: var(--pst-color-border, var(--jp-border-color1, var(--plain-line)));
  --accent: var(--pst-color-primary, var(--jp-brand-color1, var(--plain-accent)));
  box-sizing: border-box; padding: 1rem; max-width: 60rem; color: var(--ink); background: var(--paper);
  border: 1px solid var(--line); border-radius: 0.5rem;
  font: 0.9375rem/1.45 var(--pst-font-family-base, var(--jp-ui-font-family, system-ui, sans-serif));
}
*, *::before, *::after { box-sizing: border-box; }
.body { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1.25rem; }
@container (min-width: 34rem) {
  .body { grid-template-columns: minmax(0, 3fr) minmax(13.5rem, 2fr); gap: 1.5rem; }
}
figure { margin: 0; }
canvas { display: block; width: 100%; background: #000; border-radius: 0.3rem; }
figcaption { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin-top: 0.5rem; font-size: 0.875rem; }
.toggle, .key { display: inline-flex; align-items: center; gap: 0.45rem; }
.toggle { cursor: pointer; }
.toggle input { margin: 0; width: 1.05rem; height: 1.05rem; accent-color: var(--accent); cursor: inherit; }
.swatch { width: 1.35rem; height: 0.8rem; border-radius: 0.2rem; background: #6d7278; border: 2px solid; outline: 1px solid var(--casing); }
.swatch.truth { border-color: var(--truth); }
.swatch.mask { border-color: var(--mask); }
.panel { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1.125rem; align-content: start; }
.slider { display: grid; gap: 0.3rem; }
.slider > span:first-child { display: flex; justify-content: space-between; }
dd, b { font-variant-numeric: tabular-nums; font-weight: 600; }
.ends { display: flex; justify-content: space-between; color: var(--muted); }
input[type=range] { appearance: none; width: 100%; height: 1.5rem; margin: 0; background: none; cursor: pointer; }
input[type=range]::-webkit-slider-runnable-track { height: 0.7rem; border-radius: 0.35rem; background: var(--track); border: 1px solid var(--line); }
input[type=range]::-moz-range-track { height: 0.7rem; border-radius: 0.35rem; background: var(--track); border: 1px solid var(--line); }
input[type=range]::-webkit-slider-thumb {
  appearance: none; width: 1.25rem; height: 1.25rem; margin-top: -0.33rem; border-radius: 50%;
  background: var(--paper); border: 3px solid var(--ink);
}
input[type=range]::-moz-range-thumb {
  box-sizing: border-box; width: 1.25rem; height: 1.25rem; border-radius: 50%; background: var(--paper); border: 3px solid var(--ink);
}
.opacity { --track: linear-gradient(to right, transparent, var(--muted)); }
:is(input, select, [role=button]):focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 0.3rem; }
.hidden { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
[hidden] { display: none !important; }`;

/** The card in a shadow tree of its own, and a search in it; the colours that Python names become variables. */
function card({ model, el }, style, markup) {
  const host = el.appendChild(document.createElement("div"));
  host.dataset.lmSuppressShortcuts = "true"; // In JupyterLab the arrow keys belong to the widget, not to the notebook.
  const root = host.attachShadow({ mode: "open" });
  root.innerHTML = `<style>${CARD_STYLE}${style}</style>${markup}`;
  const find = (selector) => root.querySelector(selector);
  for (const [name, colour] of Object.entries(model.get("colours"))) {
    find(".card").style.setProperty(`--${name}`, colour);
  }
  const palette = model.get("palette"); // none where no heat is drawn
  if (palette) find(".card").style.setProperty("--heat-track", heatTrack(bytes(palette)));
  return find;
}

const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

const floats = (text) => new Float32Array(bytes(text).buffer);

/** 0 and 1 for each of `count` pixels, from bits packed eight a byte. */
function bits(text, count) {
  const packed = bytes(text);
  return Uint8Array.from({ length: count }, (_, i) => (packed[i >> 3] >> (7 - (i & 7))) & 1);
}

function heatTrack(palette) {
  const stops = Array.from({ length: 17 }, (_, i) => Math.round((i * 255) / 16));
  return `linear-gradient(to right, ${stops.map((k) => `rgb(${palette.slice(3 * k, 3 * k + 3).join(" ")})`).join(", ")})`;
}

/** The colour of a value between 0 and 1; clear where it is NaN. */
function warmth(palette, value) {
  if (Number.isNaN(value)) return [0, 0, 0, 0];
  const k = 3 * Math.min(255, Math.floor(value * 256));
  return [palette[k], palette[k + 1], palette[k + 2], 255];
}

/** An off-screen canvas of the array's own size; `colour(i)` gives red, green, blue and alpha of pixel i. */
function raster(width, height, colour) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const pixels = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) pixels.data.set(colour(i), 4 * i);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

/** A PNG as an image; nothing is drawn of it until it is decoded, which `then` is told. */
function picture(png, then) {
  const image = new Image();
  image.addEventListener("load", then);
  image.src = `data:image/png;base64,${png}`;
  return image;
}

/** The border between 1 and 0 by marching squares: it passes half-way between the centres of pixels that differ. */
function border(mask, width, height) {
  const path = new Path2D();
  const at = (row, column) =>
    row >= 0 && column >= 0 && row < height && column < width ? mask[row * width + column] : 0;
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x <= width; x++) {
      const [a, b, c, d] = [at(y - 1, x - 1), at(y - 1, x), at(y, x - 1), at(y, x)];
      const crossed = [];
      if (a !== b) crossed.push([x, y - 0.5]);
      if (b !== d) crossed.push([x + 0.5, y]);
      if (c !== d) crossed.push([x, y + 0.5]);
      if (a !== c) crossed.push([x - 0.5, y]);
      for (let k = 0; k < crossed.length; k += 2) {
        path.moveTo(...crossed[k]);
        path.lineTo(...crossed[k + 1]);
      }
    }
  }
  return path;
}

/** The canvas at the screen's own resolution, ready to draw in pixels of the image; null before it is laid out. */
function prepared(canvas, width, height) {
  const across = canvas.clientWidth * devicePixelRatio;
  if (!across) return null;
  [canvas.width, canvas.height] = [Math.round(across), Math.round((across * height) / width)];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.scale(canvas.width / width, canvas.height / height);
  return context;
}

/** A line with a dark casing, which parts it from bright bone and from yellow heat; `thickness` in CSS pixels. */
function cased(context, path, colour, casing, thickness, cssPixel) {
  context.lineCap = "round";
  for (const [stroke, extra] of [[casing, 2], [colour, 0]]) {
    context.strokeStyle = stroke;
    context.lineWidth = (thickness + extra) * cssPixel;
    context.stroke(path);
  }
}

/** R and L: the patient faces the reader, so that the patient's right is at the left of the image. */
function sides(context, width, casing, cssPixel) {
  context.font = `600 ${14 * cssPixel}px system-ui, sans-serif`;
  context.textBaseline = "top";
  context.lineJoin = "round";
  for (const [letter, align, x] of [["R", "left", 10 * cssPixel], ["L", "right", width - 10 * cssPixel]]) {
    context.textAlign = align;
    context.strokeStyle = casing;
    context.lineWidth = 3 * cssPixel;
    context.strokeText(letter, x, 8 * cssPixel);
    context.fillStyle = "#ffffff";
    context.fillText(letter, x, 8 * cssPixel);
  }
}

/** Sets a value of the model and hands it to the kernel, where there is one. */
const saver = (model) => (name, value) => {
  model.set(name, value);
  model.save_changes();
};

/** Says something to screen readers once the reader rests: each new text takes the place of one not yet said. */
function announcer(status) {
  let pending;
  const announce = (text) => {
    clearTimeout(pending);
    pending = setTimeout(() => (status.textContent = text), 400);
  };
  return { announce, silence: () => clearTimeout(pending) };
}

/** Calls each reaction when its event comes and `draw` when the canvas changes size; returns what ends both. */
function alive(model, canvas, reactions, draw) {
  for (const [event, reaction] of Object.entries(reactions)) model.on(event, reaction);
  const observer = new ResizeObserver(draw);
  observer.observe(canvas);
  return () => {
    for (const [event, reaction] of Object.entries(reactions)) model.off(event, reaction);
    observer.disconnect();
  };
}
