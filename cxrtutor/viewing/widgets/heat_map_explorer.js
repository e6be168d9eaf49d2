// A heat map on its radiograph: the reader moves the threshold, and sees the mask, IoU and Dice follow.
// The state lives in the model (a kernel's or a page's); every change of it comes back as an event and is drawn.

const MARKUP = `
<section class="card" role="group" aria-label="Heat map explorer">
  <header>
    <div class="chooser"><label for="case">Case</label><select id="case"></select></div>
    <p class="title"></p>
    <p class="prompt"><span class="hidden">Prompt: </span><q></q></p>
  </header>
  <div class="body">
    <figure>
      <canvas role="img"></canvas>
      <figcaption>
        <label class="toggle"><input type="checkbox"><i class="swatch truth"></i>ground truth</label>
        <span class="key"><i class="swatch mask"></i>mask: heat above the threshold</span>
      </figcaption>
    </figure>
    <div class="panel">
      <label class="slider threshold"><span>Threshold <b aria-hidden="true"></b></span>
        <input type="range" min="-1" max="1" step="0.01">
        <span class="ends" aria-hidden="true"><small>−1 coldest</small><small>hottest 1</small></span></label>
      <label class="slider opacity"><span>Heat map opacity <b aria-hidden="true"></b></span>
        <input type="range" min="0" max="1" step="0.05"></label>
      <dl class="scores">
        <div><dt>IoU</dt><dd class="iou"></dd></div>
        <div><dt>Dice</dt><dd class="dice"></dd></div>
      </dl>
      <div class="overlap">
        <div class="bar" aria-hidden="true"><i class="mask-only"></i><i class="both"></i><i class="truth-only"></i></div>
        <ul>
          <li><i class="dot mask-only"></i>mask only <span><b></b> px</span></li>
          <li><i class="dot both"></i>both <span><b></b> px</span></li>
          <li><i class="dot truth-only"></i>truth only <span><b></b> px</span></li>
        </ul>
      </div>
    </div>
  </div>
  <p class="hidden" role="status"></p>
</section>`;

// The book's theme and JupyterLab name their colours in variables, which reach into the shadow tree and follow the
// reader's choice of light or dark. A page that has neither follows the system.
const STYLE = `
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
header { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0.375rem; margin-bottom: 0.75rem; }
.chooser { display: flex; gap: 0.625rem; align-items: baseline; color: var(--muted); }
select {
  flex: 1; min-width: 0; padding: 0.3rem 0.5rem; font: inherit; color: var(--ink); background: var(--paper);
  border: 1px solid var(--muted); border-radius: 0.3rem; text-overflow: ellipsis;
}
.title { margin: 0; font-weight: 600; }
.prompt { margin: 0; font-size: 1.0625rem; font-style: italic; overflow-wrap: anywhere; }
.single .chooser, .card:not(.single) .title { display: none; }
.body { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1.25rem; }
@container (min-width: 34rem) {
  .body { grid-template-columns: minmax(0, 3fr) minmax(13.5rem, 2fr); gap: 1.5rem; }
}
@container (min-width: 48rem) {
  .card:not(.single) .prompt { display: none; } /* the chooser has room to show it */
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
.threshold { --track: var(--heat-track); }
.opacity { --track: linear-gradient(to right, transparent, var(--muted)); }
:is(input, select):focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 0.3rem; }
.scores { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.6rem; margin: 0; }
.scores div { padding: 0.5rem 0.6rem; border: 1px solid var(--line); border-radius: 0.4rem; }
dt { color: var(--muted); font-size: 0.875rem; }
dd { margin: 0; font-size: 1.5rem; font-weight: 600; line-height: 1.15; }
.bar { display: flex; height: 0.7rem; border-radius: 0.35rem; overflow: hidden; border: 1px solid var(--line); }
.mask-only { background: repeating-linear-gradient(45deg, var(--muted) 0 3px, var(--line) 3px 6px); }
.both { background: var(--accent); }
.truth-only { background: var(--truth); }
ul { list-style: none; display: flex; flex-wrap: wrap; gap: 0.15rem 1rem; margin: 0.4rem 0 0; padding: 0; font-size: 0.875rem; }
li { display: inline-flex; align-items: center; gap: 0.35rem; margin: 0; white-space: nowrap; }
.dot { width: 0.7rem; height: 0.7rem; border-radius: 0.15rem; border: 1px solid var(--muted); }
.hidden { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
[hidden] { display: none !important; }`;

const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** Arrays of a case: `grey` bytes, `heat` float32 with NaN where it is not valid, `truth` of 0 and 1, or null. */
function decode({ width, height, image, heat, truth }) {
  const packed = truth && bytes(truth);
  return {
    width,
    height,
    grey: bytes(image),
    heat: new Float32Array(bytes(heat).buffer),
    truth: packed && Uint8Array.from({ length: width * height }, (_, i) => (packed[i >> 3] >> (7 - (i & 7))) & 1),
  };
}

/** 1 where the heat exceeds the threshold. The threshold is rounded to float32 first, as numpy and torch do. */
function maskAbove(heat, threshold) {
  const limit = Math.fround(threshold);
  return Uint8Array.from(heat, (value) => (value > limit ? 1 : 0));
}

/** Pixels of mask and truth by overlap, with IoU and Dice; only valid pixels count. Null where there is no truth. */
function overlap(mask, { heat, truth }) {
  if (!truth) return null;
  let [both, maskOnly, truthOnly] = [0, 0, 0];
  for (let i = 0; i < heat.length; i++) {
    if (Number.isNaN(heat[i])) continue;
    if (mask[i] && truth[i]) both++;
    else if (mask[i]) maskOnly++;
    else if (truth[i]) truthOnly++;
  }
  if (both + truthOnly === 0) return null;
  const union = both + maskOnly + truthOnly;
  return { both, maskOnly, truthOnly, iou: both / union, dice: (2 * both) / (union + both) };
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

/** An off-screen canvas of the array's own size; `colour(i)` gives red, green, blue and alpha of pixel i. */
function raster(width, height, colour) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const pixels = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) pixels.data.set(colour(i), 4 * i);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

function heatTrack(palette) {
  const stops = Array.from({ length: 17 }, (_, i) => Math.round((i * 255) / 16));
  return `linear-gradient(to right, ${stops.map((k) => `rgb(${palette.slice(3 * k, 3 * k + 3).join(" ")})`).join(", ")})`;
}

function render({ model, el }) {
  const host = el.appendChild(document.createElement("div"));
  host.dataset.lmSuppressShortcuts = "true"; // In JupyterLab the arrow keys move the slider, not the selected cell.
  const root = host.attachShadow({ mode: "open" });
  root.innerHTML = `<style>${STYLE}</style>${MARKUP}`;
  const find = (selector) => root.querySelector(selector);
  const canvas = find("canvas");
  const controls = {
    selected: find("select"),
    threshold: find(".threshold input"),
    opacity: find(".opacity input"),
    show_truth: find(".toggle input"),
  };

  const palette = bytes(model.get("palette"));
  const colours = model.get("colours");
  find(".card").style.setProperty("--heat-track", heatTrack(palette));
  for (const [name, colour] of Object.entries(colours)) find(".card").style.setProperty(`--${name}`, colour);

  let shown; // the decoded case, with its pictures and the truth's border
  let mask, maskBorder, scores; // at the present threshold

  function showCases() {
    const cases = model.get("cases");
    controls.selected.replaceChildren(
      ...cases.map(({ title, prompt }, i) => new Option(`${title}: ${prompt}`, i)),
    );
    find(".card").classList.toggle("single", cases.length === 1);
    showCase();
  }

  function showCase() {
    const cases = model.get("cases");
    const index = Math.min(model.get("selected"), cases.length - 1);
    const arrays = decode(cases[index]);
    const { width, height, grey, heat, truth } = arrays;
    shown = {
      ...arrays,
      radiograph: raster(width, height, (i) => [grey[i], grey[i], grey[i], 255]),
      warmth: raster(width, height, (i) => {
        if (Number.isNaN(heat[i])) return [0, 0, 0, 0];
        const k = 3 * Math.min(255, Math.floor(((heat[i] + 1) / 2) * 256));
        return [palette[k], palette[k + 1], palette[k + 2], 255];
      }),
      truthBorder: truth && border(truth, width, height),
    };
    controls.selected.value = index;
    find(".toggle").hidden = !truth;
    find(".title").textContent = cases[index].title;
    find("q").textContent = cases[index].prompt;
    canvas.style.aspectRatio = `${width} / ${height}`;
    showThreshold();
  }

  function showThreshold() {
    const threshold = model.get("threshold");
    controls.threshold.value = threshold;
    find(".threshold b").textContent = threshold.toFixed(2).replace("-", "−");
    mask = maskAbove(shown.heat, threshold);
    maskBorder = border(mask, shown.width, shown.height);
    scores = overlap(mask, shown);
    showScores();
    draw();
  }

  function showScores() {
    find(".iou").textContent = scores ? scores.iou.toFixed(3) : "–";
    find(".dice").textContent = scores ? scores.dice.toFixed(3) : "–";
    find(".overlap").hidden = !scores;
    for (const [name, count] of [["mask-only", scores?.maskOnly], ["both", scores?.both], ["truth-only", scores?.truthOnly]]) {
      find(`.bar .${name}`).style.flexGrow = count ?? 0;
      find(`li:has(.${name}) b`).textContent = (count ?? 0).toLocaleString("en");
    }
  }

  function draw() {
    const { width, height, radiograph, warmth, truthBorder } = shown;
    const opacity = model.get("opacity");
    const truthDrawn = model.get("show_truth") && truthBorder;
    controls.opacity.value = opacity;
    controls.show_truth.checked = model.get("show_truth");
    find(".opacity b").textContent = `${Math.round(100 * opacity)}\u00a0%`;

    const across = canvas.clientWidth * devicePixelRatio;
    if (!across) return; // not laid out yet; the observer of its size calls again
    [canvas.width, canvas.height] = [Math.round(across), Math.round((across * height) / width)];
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.scale(canvas.width / width, canvas.height / height);
    context.drawImage(radiograph, 0, 0);
    context.globalAlpha = opacity;
    context.drawImage(warmth, 0, 0);
    context.globalAlpha = 1;

    const cssPixel = width / canvas.clientWidth;
    context.lineCap = "round";
    for (const [path, colour, thickness] of [
      [maskBorder, colours.mask, 1.5],
      [truthDrawn, colours.truth, 2.25],
    ]) {
      if (!path) continue;
      for (const [stroke, extra] of [[colours.casing, 2], [colour, 0]]) {
        context.strokeStyle = stroke;
        context.lineWidth = (thickness + extra) * cssPixel;
        context.stroke(path);
      }
    }
    sides(context, width, cssPixel);
    describe(truthDrawn);
  }

  /** R and L: the patient faces the reader, so that the patient's right is at the left of the image. */
  function sides(context, width, cssPixel) {
    context.font = `600 ${14 * cssPixel}px system-ui, sans-serif`;
    context.textBaseline = "top";
    context.lineJoin = "round";
    for (const [letter, align, x] of [["R", "left", 10 * cssPixel], ["L", "right", width - 10 * cssPixel]]) {
      context.textAlign = align;
      context.strokeStyle = colours.casing;
      context.lineWidth = 3 * cssPixel;
      context.strokeText(letter, x, 8 * cssPixel);
      context.fillStyle = "#ffffff";
      context.fillText(letter, x, 8 * cssPixel);
    }
  }

  function describe(truthDrawn) {
    const covered = (100 * mask.reduce((sum, inside) => sum + inside, 0)) / mask.length;
    canvas.setAttribute(
      "aria-label",
      `Chest radiograph with the heat map of the prompt “${find("q").textContent}”. The mask covers ` +
        `${covered.toFixed(0)} percent of the image. The ground truth is ${truthDrawn ? "outlined" : "not shown"}.`,
    );
  }

  // A slider that moves tells its own value at every step; the numbers that follow are told once it rests.
  let pending;
  function announce() {
    clearTimeout(pending);
    pending = setTimeout(() => {
      find("[role=status]").textContent = scores
        ? `IoU ${scores.iou.toFixed(3)}, Dice ${scores.dice.toFixed(3)}`
        : "No ground truth: IoU and Dice are undefined";
    }, 400);
  }

  const listen = (name, event, read) =>
    controls[name].addEventListener(event, () => {
      model.set(name, read(controls[name]));
      model.save_changes();
    });
  listen("selected", "change", (select) => Number(select.value));
  listen("threshold", "input", (slider) => Number(slider.value));
  listen("opacity", "input", (slider) => Number(slider.value));
  listen("show_truth", "change", (box) => box.checked);

  const reactions = {
    "change:cases": () => (showCases(), announce()),
    "change:selected": () => (showCase(), announce()),
    "change:threshold": () => (showThreshold(), announce()),
    "change:opacity": draw,
    "change:show_truth": draw,
  };
  showCases();
  for (const [event, reaction] of Object.entries(reactions)) model.on(event, reaction);
  const observer = new ResizeObserver(draw);
  observer.observe(canvas);
  return () => {
    for (const [event, reaction] of Object.entries(reactions)) model.off(event, reaction);
    observer.disconnect();
    clearTimeout(pending);
  };
}

export default { render };
