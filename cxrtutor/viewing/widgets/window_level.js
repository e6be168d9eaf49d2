// A film's stored values through a window that the reader moves: the film, its histogram, and the ramp above it.
// The state lives in the model (a kernel's or a page's); every change of it comes back as an event and is drawn.

const MARKUP = `
<div class="card" role="group" aria-label="Window and level">
  <div class="body">
    <figure>
      <canvas role="img"></canvas>
      <p class="help">Drag the film with a mouse: sideways for the width, up and down for the centre. Or use the sliders.</p>
    </figure>
    <div class="panel">
      <div class="presets" role="group" aria-label="Windows to try"></div>
      <div>
        <svg class="chart" viewBox="0 0 256 100" preserveAspectRatio="none" role="img">
          <path class="bars"></path>
          <path class="casing"></path>
          <path class="line"></path>
        </svg>
        <div class="greys" aria-hidden="true"></div>
        <span class="ends" aria-hidden="true"><small class="lowest"></small><small>stored value</small><small class="highest"></small></span>
      </div>
      <label class="slider centre"><span>Centre <b aria-hidden="true"></b></span><input type="range"></label>
      <label class="slider width"><span>Width <b aria-hidden="true"></b></span><input type="range" step="0.05"></label>
      <fieldset>
        <legend>Function</legend>
        <label><input type="radio" name="function" value="LINEAR">LINEAR</label>
        <label><input type="radio" name="function" value="LINEAR_EXACT">LINEAR_EXACT</label>
        <label><input type="radio" name="function" value="SIGMOID">SIGMOID</label>
      </fieldset>
      <label class="toggle"><input type="checkbox">MONOCHROME1: low values are bright</label>
      <dl>
        <div><dt>quite black</dt><dd class="black"></dd></div>
        <div><dt>quite white</dt><dd class="white"></dd></div>
        <div><dt>greys of 256</dt><dd class="used"></dd></div>
      </dl>
    </div>
  </div>
  <p class="hidden" role="status"></p>
</div>`;

const STYLE = `
canvas { cursor: move; }
.help { margin: 0.5rem 0 0; color: var(--muted); font-size: 0.875rem; }
.panel { gap: 0.875rem; }
.slider { --track: var(--line); }
.presets { display: flex; flex-wrap: wrap; gap: 0.4rem; }
button {
  padding: 0.25rem 0.6rem; font: inherit; font-size: 0.875rem; color: var(--ink); background: var(--paper);
  border: 1px solid var(--muted); border-radius: 0.3rem; cursor: pointer;
}
button[aria-pressed=true] { outline: 2px solid var(--accent); outline-offset: -2px; font-weight: 600; }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.chart { display: block; width: 100%; height: 7rem; border: 1px solid var(--line); border-bottom: 0; }
.bars { fill: var(--muted); opacity: 0.55; }
.line, .casing { fill: none; stroke: var(--accent); stroke-width: 2.5; vector-effect: non-scaling-stroke; }
.casing { stroke: var(--paper); stroke-width: 5; }
.greys { height: 0.9rem; border: 1px solid var(--line); }
fieldset { display: flex; flex-wrap: wrap; gap: 0.15rem 0.9rem; margin: 0; padding: 0; border: 0; font-size: 0.875rem; }
legend { padding: 0; font-size: 0.9375rem; }
fieldset label { display: inline-flex; align-items: center; gap: 0.35rem; cursor: pointer; }
fieldset input { margin: 0; width: 0.9rem; height: 0.9rem; accent-color: var(--accent); }
:where(fieldset, .toggle) input:not(:checked) { /* the browser's own is white in the dark, unless the page says it is dark */
  appearance: none; background: var(--paper); border: 1.5px solid var(--muted); border-radius: 0.2rem;
}
fieldset input:not(:checked) { border-radius: 50%; }
dl { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0.5rem; margin: 0; }
dl div { padding: 0.35rem 0.5rem; border: 1px solid var(--line); border-radius: 0.4rem; }
dt { color: var(--muted); font-size: 0.8125rem; font-weight: 400; }
dd { margin: 0; font-size: 1.0625rem; line-height: 1.3; }`;

/** Bars of the histogram, and steps of the grey strip below it. */
const [BARS, STEPS] = [128, 64];

const FUNCTIONS = ["LINEAR", "LINEAR_EXACT", "SIGMOID"];

function render(widget) {
  const { model } = widget;
  const find = card(widget, STYLE, MARKUP);
  const canvas = find("canvas");
  const [centreSlider, widthSlider, toggle] = [".centre input", ".width input", ".toggle input"].map(find);
  const { announce, silence } = announcer(find("[role=status]"));
  const save = saver(model);

  const film = model.get("film");
  const codes = new Uint16Array(bytes(film.codes).buffer);
  const counts = countsOf(codes, film);
  const span = film.highest - film.lowest || 1;
  const presets = model.get("presets");
  let picture; // the film as the window shows it, at its own size

  const present = () => ({
    centre: model.get("centre"),
    width: model.get("width"),
    function: model.get("function"),
    inverted: model.get("inverted"),
  });
  const whole = (value) => Math.round(value).toLocaleString("en").replace("-", "−");
  const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;

  // The sliders reach every preset.
  const centres = presets.map(({ centre }) => centre);
  centreSlider.min = Math.floor(Math.min(film.lowest, ...centres));
  centreSlider.max = Math.ceil(Math.max(film.highest, ...centres));
  centreSlider.step = Math.max(1, Math.round(span / 500));
  widthSlider.min = 1; // of the binary logarithm
  widthSlider.max = Math.log2(Math.max(2 * span, ...presets.map(({ width }) => width))).toFixed(2);

  const buttons = presets.map(({ name, ...values }) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    button.addEventListener("click", () => {
      for (const [key, value] of Object.entries(values)) model.set(key, value);
      model.save_changes();
    });
    find(".presets").append(button);
    return button;
  });

  /** The histogram: bars over equal parts of the range, the highest of them at the full height. */
  function showHistogram() {
    const bars = new Float64Array(BARS);
    counts.forEach((count, k) => (bars[Math.min(BARS - 1, Math.floor((k * BARS) / (span + 1)))] += count));
    const [most, wide] = [Math.max(...bars), 256 / BARS];
    find(".bars").setAttribute(
      "d",
      [...bars].map((bar, k) => `M${k * wide} 100V${100 - (96 * bar) / most}H${(k + 1) * wide}V100Z`).join(""),
    );
    find(".lowest").textContent = whole(film.lowest);
    find(".highest").textContent = whole(film.highest);
  }

  function showWindow() {
    const { centre, width, function: kind, inverted } = present();
    const greys = greysOf(film, present());
    const lost = lostIn(greys, counts);
    picture = raster(film.columns, film.rows, (i) => [greys[codes[i]], greys[codes[i]], greys[codes[i]], 255]);

    const points = Array.from({ length: 257 }, (_, x) => {
      const grey = windowed(film.lowest + (x / 256) * span, present());
      return `${x} ${98 - 96 * grey}`;
    });
    for (const part of [".casing", ".line"]) find(part).setAttribute("d", `M${points.join("L")}`);
    const stops = Array.from({ length: STEPS + 1 }, (_, k) => greys[Math.round((k / STEPS) * (greys.length - 1))]);
    find(".greys").style.background = `linear-gradient(to right, ${stops.map((g) => `rgb(${g} ${g} ${g})`).join(", ")})`;

    centreSlider.value = centre;
    widthSlider.value = Math.log2(width);
    for (const [slider, value] of [[centreSlider, centre], [widthSlider, width]]) {
      slider.previousElementSibling.lastElementChild.textContent = whole(value);
      slider.setAttribute("aria-valuetext", whole(value));
    }
    find(`[value=${kind}]`).checked = true;
    toggle.checked = inverted;
    presets.forEach(({ name, ...values }, k) => {
      buttons[k].setAttribute("aria-pressed", Object.entries(values).every(([key, value]) => model.get(key) === value));
    });

    find(".black").textContent = percent(lost.black);
    find(".white").textContent = percent(lost.white);
    find(".used").textContent = lost.greys;
    const said = `Centre ${whole(centre)}, width ${whole(width)}, ${kind}${inverted ? ", inverted" : ""}`;
    find(".chart").setAttribute("aria-label", `Histogram of the stored values, and the window above it. ${said}.`);
    canvas.setAttribute("aria-label", `Chest radiograph through a window. ${said}.`);
    announce(`${said}: ${percent(lost.black)} quite black, ${percent(lost.white)} quite white.`);
    draw();
  }

  function draw() {
    const context = prepared(canvas, film.columns, film.rows);
    if (!context) return; // the observer of its size calls again
    context.drawImage(picture, 0, 0);
    sides(context, film.columns, model.get("colours").casing, film.columns / canvas.clientWidth);
  }

  const setWidth = (width) => save("width", Math.max(2, Math.round(width)));
  centreSlider.addEventListener("input", () => save("centre", Number(centreSlider.value)));
  widthSlider.addEventListener("input", () => setWidth(2 ** Number(widthSlider.value)));
  toggle.addEventListener("change", () => save("inverted", toggle.checked));
  for (const kind of FUNCTIONS) {
    find(`[value=${kind}]`).addEventListener("change", () => save("function", kind));
  }

  // A finger on the film scrolls the page; a mouse or a pen moves the window, as on a reading station.
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" || event.button) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    from = { x: event.clientX, y: event.clientY, centre: model.get("centre"), width: model.get("width") };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [right, down] = [event.clientX - from.x, event.clientY - from.y].map((way) => way / canvas.clientWidth);
    model.set("centre", Math.round(from.centre + down * span));
    model.set("width", Math.max(2, Math.round(from.width * 8 ** right)));
    model.save_changes();
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (from = null));

  canvas.style.aspectRatio = `${film.columns} / ${film.rows}`;
  showHistogram();
  showWindow();
  silence(); // nothing has changed yet
  const names = ["centre", "width", "function", "inverted"];
  const end = alive(model, canvas, Object.fromEntries(names.map((name) => [`change:${name}`, showWindow])), draw);
  return () => (end(), silence());
}

export default { render };
