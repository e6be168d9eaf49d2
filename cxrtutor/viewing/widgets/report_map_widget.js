// What widgets share in which a part of the report chooses the map that lies over the radiograph.

const MAP_FIGURE = `
<figure>
  <canvas role="img"></canvas>
  <figcaption>
    <label class="toggle"><input type="checkbox"><i class="swatch truth"></i>ground truth</label>
    <span class="key"><i class="swatch mask"></i>peak</span>
  </figcaption>
  <div class="scale" aria-hidden="true"><span class="low"></span><i></i><span class="high"></span></div>
</figure>`;

const MAP_READING = `
<div class="reading">
  <p class="place"></p>
  <p class="values"></p>
  <p class="help"></p>
</div>`;

const MAP_OPACITY = `
<label class="slider opacity"><span>Map opacity <b aria-hidden="true"></b></span>
  <input type="range" min="0" max="1" step="0.05"></label>`;

const MAP_STYLE = `
.scale { display: flex; align-items: center; gap: 0.6rem; margin-top: 0.4rem; color: var(--muted); font-size: 0.875rem; font-variant-numeric: tabular-nums; }
.scale i { flex: 1; height: 0.7rem; border: 1px solid var(--line); border-radius: 0.35rem; background: var(--heat-track); }
fieldset { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; margin: 0; padding: 0; border: 0; min-width: 0; }
legend { float: left; margin-right: 1rem; padding: 0; color: var(--muted); }
fieldset label { display: inline-flex; align-items: center; gap: 0.4rem; cursor: pointer; }
fieldset input { margin: 0; width: 1.05rem; height: 1.05rem; accent-color: var(--accent); cursor: inherit; }
.report { line-height: 1.75; overflow-wrap: anywhere; }
[role=button] {
  cursor: pointer; padding: 0.1rem 0; border-radius: 0.2rem; text-decoration: underline dotted var(--muted);
  text-underline-offset: 0.25rem; box-decoration-break: clone; -webkit-box-decoration-break: clone;
}
.chosen { background: color-mix(in srgb, var(--accent) 24%, transparent); text-decoration-style: solid; text-decoration-color: var(--accent); }
.chosen[aria-pressed=true] { outline: 2px solid var(--accent); }
@media (prefers-reduced-motion: no-preference) { [role=button] { transition: background-color 120ms; } }
.reading { min-height: 6.4rem; padding: 0.5rem 0.6rem; border: 1px solid var(--line); border-radius: 0.4rem; }
.reading p { margin: 0; }
.place { font-weight: 600; }
.values { font-variant-numeric: tabular-nums; }
.help { color: var(--muted); font-size: 0.875rem; }`;

/** Four significant digits, the smallest numbers too, with a true minus. */
const digits = (value) => Number(value.toPrecision(4)).toString().replace("-", "−");

const sentenceCase = (text) => text[0].toUpperCase() + text.slice(1);

/** Lowest, highest and mean value, and the cell of the highest (the first of equals); none where all are equal. */
function measured(values) {
  const known = values.filter((value) => !Number.isNaN(value));
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return { low, high, mean, peak: low === high ? null : values.indexOf(high) };
}

/** A place in words, from how far it is across the image and down it, each from 0 to 1. */
function placeName(across, down) {
  const side = across === 0.5 ? "midline" : `patient’s ${across < 0.5 ? "right" : "left"}`;
  return `${side}, ${down < 1 / 3 ? "upper" : down < 2 / 3 ? "middle" : "lower"} third`;
}

/**
 * The radiograph in the card's figure with one map at a time; `name()` names the map, `outlined()` the numbers of the
 * truths to draw. `show` takes another map, `draw` draws what is shown.
 */
function mapFigure(model, find, { name, outlined }) {
  const canvas = find("canvas");
  const [truthBox, slider] = [find(".toggle input"), find(".opacity input")];
  const palette = bytes(model.get("palette"));
  const colours = model.get("colours");
  const save = saver(model);

  const { png, width, height } = model.get("image");
  const radiograph = picture(png, () => draw());
  const truths = model.get("truths").map((mask) => border(bits(mask, width * height), width, height));
  // Maps cover the square in whose centre the image lies.
  const side = Math.max(width, height);
  const [left, top] = [(width - side) / 2, (height - side) / 2];

  let shown; // the map's grid, the cell of its peak, its picture

  canvas.style.aspectRatio = `${width} / ${height}`;
  find(".toggle").hidden = !truths.length;
  truthBox.addEventListener("change", () => save("show_truth", truthBox.checked));
  slider.addEventListener("input", () => save("opacity", Number(slider.value)));

  /** Draws a map, NaN where it is not valid, from its lowest value (or `floor`) to its highest; returns its reading. */
  function show({ rows, columns, values }, floor) {
    const { low: lowest, high, mean, peak } = measured(values);
    const low = floor ?? lowest;
    const [row, column] = peak === null ? [] : [Math.floor(peak / columns), peak % columns];
    const centre = [left + ((column + 0.5) * side) / columns, top + ((row + 0.5) * side) / rows];
    shown = {
      rows, columns, row, column, peak,
      heat: raster(columns, rows, (i) => warmth(palette, high > low ? (values[i] - low) / (high - low) : values[i] * 0)),
    };
    const place = peak === null ? "the same everywhere: no peak" : placeName(centre[0] / width, centre[1] / height);
    const numbers = peak === null ? `value ${digits(mean)}` : `peak ${digits(high)}, mean ${digits(mean)}`;
    find(".place").textContent = sentenceCase(place);
    find(".values").textContent = sentenceCase(numbers);
    find(".key").hidden = peak === null;
    find(".low").textContent = digits(low);
    find(".high").textContent = digits(high);
    draw();
    return { place, numbers };
  }

  function draw() {
    const opacity = model.get("opacity");
    const drawn = model.get("show_truth") ? outlined() : [];
    slider.value = opacity;
    truthBox.checked = model.get("show_truth");
    find(".opacity b").textContent = `${Math.round(100 * opacity)}\u00a0%`;

    const context = prepared(canvas, width, height);
    if (!context) return; // the observer of its size calls again
    context.drawImage(radiograph, 0, 0);
    context.imageSmoothingEnabled = false;
    context.globalAlpha = opacity;
    context.drawImage(shown.heat, left, top, side, side);
    context.globalAlpha = 1;
    const cssPixel = width / canvas.clientWidth;
    if (shown.peak !== null) {
      const [across, down] = [side / shown.columns, side / shown.rows];
      const cell = new Path2D();
      cell.rect(left + shown.column * across, top + shown.row * down, across, down);
      cased(context, cell, colours.mask, colours.casing, 1.5, cssPixel);
    }
    for (const truth of drawn) cased(context, truths[truth], colours.truth, colours.casing, 2.25, cssPixel);
    sides(context, width, colours.casing, cssPixel);
    canvas.setAttribute(
      "aria-label",
      `Chest radiograph with the map of ${name()}. ${drawn.length ? "The" : "No"} ground truth is outlined.`,
    );
  }

  return { show, draw };
}

/**
 * Lets the reader choose among the parts of a report, the elements of `container` that carry their number in
 * `data-unit`: what is pointed at or focused is selected, unless one is pinned. `moves` gives for a key, from the number
 * of a part, the number of the part to go to; `elementOf(number)` may be null.
 */
function choosing(container, model, { selection, moves, elementOf }) {
  const save = saver(model);
  const numberOf = (event) => {
    const unit = event.target.closest("[data-unit]")?.dataset.unit;
    return unit && Number(unit);
  };
  const select = (number) => {
    if (number !== undefined && !model.get("pinned")) save("selected", number);
  };
  const pin = (number) => {
    if (number === undefined) return;
    const release = model.get("pinned") && selection() === number;
    save("pinned", false);
    save("selected", number);
    save("pinned", !release);
  };
  container.addEventListener("pointerover", (event) => select(numberOf(event)));
  container.addEventListener("focusin", (event) => select(numberOf(event)));
  container.addEventListener("click", (event) => pin(numberOf(event)));
  container.addEventListener("keydown", (event) => {
    const number = numberOf(event);
    if (number === undefined) return;
    const to = moves[event.key]?.(number);
    if (to !== undefined) elementOf(to)?.focus();
    else if (event.key === "Enter" || event.key === " ") pin(number);
    else if (event.key === "Escape") {
      save("pinned", false);
      select(number);
    } else return;
    event.preventDefault();
  });
}

/** Marks the element of the part that is selected, and makes it the one that the Tab key reaches. */
function mark(element, selected, pinned) {
  element.classList.toggle("chosen", selected);
  element.setAttribute("aria-pressed", selected && pinned);
  element.setAttribute("tabindex", selected ? 0 : -1);
}

const pinHelp = (pinned) =>
  pinned
    ? "Pinned. Escape, or another click, lets it go."
    : "Point at the text, or use the arrow keys. A click or Enter pins.";
