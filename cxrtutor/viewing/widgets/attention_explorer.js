// A report beside its radiograph: each word, each sentence or the whole report shows where it looks.
// The state lives in the model (a kernel's or a page's); every change of it comes back as an event and is drawn.

const MARKUP = `
<section class="card" role="group" aria-label="Attention explorer">
  <div class="body">
    <figure>
      <canvas role="img"></canvas>
      <figcaption>
        <label class="toggle"><input type="checkbox"><i class="swatch truth"></i>ground truth</label>
        <span class="key"><i class="swatch mask"></i>peak</span>
      </figcaption>
      <div class="scale" aria-hidden="true"><span class="low"></span><i></i><span class="high"></span></div>
    </figure>
    <div class="panel">
      <fieldset><legend>Look from</legend></fieldset>
      <div class="report" role="toolbar"></div>
      <div class="reading">
        <p class="place"></p>
        <p class="values"></p>
        <p class="help"></p>
      </div>
      <label class="slider opacity"><span>Map opacity <b aria-hidden="true"></b></span>
        <input type="range" min="0" max="1" step="0.05"></label>
    </div>
  </div>
  <p class="hidden" role="status"></p>
</section>`;

const STYLE = `
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

/** The maps of one unit: `of(k)` gives the values of map k, or null where it has none. */
function decode({ rows, columns, values }) {
  const all = floats(values);
  const of = (k) => {
    const one = all.subarray(k * rows * columns, (k + 1) * rows * columns);
    return Number.isNaN(one[0]) ? null : one;
  };
  return { rows, columns, of };
}

/** Lowest, highest and mean value, and the cell of the highest (the first of equals); none where all are equal. */
function measured(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { low, high, mean, peak: low === high ? null : values.indexOf(high) };
}

/** A place in words, from how far it is across the image and down it, each from 0 to 1. */
function placeName(across, down) {
  const side = across === 0.5 ? "midline" : `patient’s ${across < 0.5 ? "right" : "left"}`;
  return `${side}, ${down < 1 / 3 ? "upper" : down < 2 / 3 ? "middle" : "lower"} third`;
}

/** Four significant digits, the smallest numbers too, with a true minus. */
const digits = (value) => Number(value.toPrecision(4)).toString().replace("-", "−");

function render(widget) {
  const { model } = widget;
  const find = card(widget, STYLE, MARKUP);
  const canvas = find("canvas");
  const report = find(".report");
  const [truthBox, slider] = [find(".toggle input"), find(".opacity input")];
  const palette = bytes(model.get("palette"));
  const colours = model.get("colours");
  const { announce, silence } = announcer(find("[role=status]"));

  const { png, width, height } = model.get("image");
  const sentences = model.get("sentences");
  const radiograph = picture(png, () => draw());
  const truths = model.get("truths").map((mask) => border(bits(mask, width * height), width, height));
  const allMaps = Object.fromEntries(Object.entries(model.get("maps")).map(([unit, maps]) => [unit, decode(maps)]));
  // Maps cover the square in whose centre the image lies.
  const side = Math.max(width, height);
  const [left, top] = [(width - side) / 2, (height - side) / 2];

  let units; // of the kind chosen: { element (null without a map), sentence, text }
  let shown; // of the unit selected: what was measured of its map, its picture, its peak's place

  canvas.style.aspectRatio = `${width} / ${height}`;
  find(".toggle").hidden = !truths.length;
  const save = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };

  for (const unit of Object.keys(allMaps)) {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "unit", value: unit });
    radio.addEventListener("change", () => save("unit", unit));
    label.append(radio, unit === "report" ? "whole report" : unit);
    find("fieldset").append(label);
  }
  find("fieldset").hidden = Object.keys(allMaps).length < 2;

  /** The report as it is written, with every unit that has a map as an element that can be chosen. */
  function showReport() {
    const unit = model.get("unit");
    const names = { words: "word by word", sentences: "sentence by sentence", report: "as a whole" };
    find(`fieldset [value=${unit}]`).checked = true;
    report.setAttribute("aria-label", `The report, ${names[unit]}`);
    report.replaceChildren();
    units = [];
    const write = (text, sentence) => {
      const values = allMaps[unit].of(units.length);
      const element = document.createElement("span");
      if (values) {
        element.setAttribute("role", "button");
        element.dataset.unit = units.length;
      }
      element.textContent = text;
      report.append(element);
      units.push({ element: values && element, sentence, text });
    };
    if (unit === "report") write(sentences.map(({ text }) => text).join(" "), null);
    else {
      sentences.forEach(({ text, words }, sentence) => {
        if (sentence) report.append(" ");
        if (unit === "sentences") return write(text, sentence);
        let written = 0;
        for (const [start, end] of words) {
          report.append(text.slice(written, start));
          write(text.slice(start, end), sentence);
          written = end;
        }
        report.append(text.slice(written));
      });
    }
    showUnit();
  }

  const firstWith = (fits) => units.findIndex((unit) => unit.element && fits(unit));
  /** The unit selected; the first where the model's number is none's. */
  const selection = () => (units[model.get("selected")]?.element ? model.get("selected") : firstWith(() => true));

  function showUnit() {
    const unit = model.get("unit");
    const [selected, pinned] = [selection(), model.get("pinned")];
    units.forEach(({ element }, k) => {
      element?.classList.toggle("chosen", k === selected);
      element?.setAttribute("aria-pressed", k === selected && pinned);
      element?.setAttribute("tabindex", k === selected ? 0 : -1);
    });
    const { rows, columns, of } = allMaps[unit];
    const values = of(selected);
    const { low, high, mean, peak } = measured(values);
    const [row, column] = peak === null ? [] : [Math.floor(peak / columns), peak % columns];
    const centre = [left + ((column + 0.5) * side) / columns, top + ((row + 0.5) * side) / rows];
    shown = {
      rows, columns, row, column, peak,
      place: peak === null ? "the same everywhere: no peak" : placeName(centre[0] / width, centre[1] / height),
      numbers: peak === null ? `value ${digits(mean)}` : `peak ${digits(high)}, mean ${digits(mean)}`,
      heat: raster(columns, rows, (i) => warmth(palette, high > low ? (values[i] - low) / (high - low) : 0)),
    };
    find(".place").textContent = shown.place[0].toUpperCase() + shown.place.slice(1);
    find(".values").textContent = shown.numbers[0].toUpperCase() + shown.numbers.slice(1);
    find(".help").textContent = pinned
      ? "Pinned. Escape, or another click, lets it go."
      : "Point at the text, or use the arrow keys. A click or Enter pins.";
    find(".key").hidden = peak === null;
    find(".low").textContent = digits(low);
    find(".high").textContent = digits(high);
    draw();
  }

  function draw() {
    const opacity = model.get("opacity");
    const drawn = model.get("show_truth") ? truthsShown() : [];
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
    for (const truth of drawn) cased(context, truth, colours.truth, colours.casing, 2.25, cssPixel);
    sides(context, width, colours.casing, cssPixel);
    canvas.setAttribute(
      "aria-label",
      `Chest radiograph with the map of ${named()}. ${drawn.length ? "The" : "No"} ground truth is outlined.`,
    );
  }

  /** What the sentence of the selected unit speaks of; of the whole report, all. */
  function truthsShown() {
    const { sentence } = units[selection()];
    if (sentence === null) return truths;
    const { truth } = sentences[sentence];
    return truth === null ? [] : [truths[truth]];
  }

  const named = () => (model.get("unit") === "report" ? "the whole report" : `“${units[selection()].text}”`);

  function tell() {
    announce(`${named()}${model.get("pinned") ? ", pinned" : ""}: ${shown.place}. ${shown.numbers}.`);
  }

  // Choosing: a unit that is pointed at or focused is selected, unless one is pinned.
  const indexOf = (event) => event.target.dataset?.unit && Number(event.target.dataset.unit);
  const select = (index) => {
    if (index !== undefined && !model.get("pinned")) save("selected", index);
  };
  const pin = (index) => {
    if (index === undefined) return;
    const release = model.get("pinned") && selection() === index;
    save("pinned", false);
    save("selected", index);
    save("pinned", !release);
  };
  report.addEventListener("pointerover", (event) => select(indexOf(event)));
  report.addEventListener("focusin", (event) => select(indexOf(event)));
  report.addEventListener("click", (event) => pin(indexOf(event)));
  report.addEventListener("keydown", (event) => {
    const index = indexOf(event);
    if (index === undefined) return;
    const to = moves[event.key]?.(index);
    if (to !== undefined) units[to]?.element.focus();
    else if (event.key === "Enter" || event.key === " ") pin(index);
    else if (event.key === "Escape") {
      save("pinned", false);
      select(index);
    } else return;
    event.preventDefault();
  });

  // Left and right go to the next unit, up and down to the next sentence.
  const after = (index, fits) => units.findIndex((unit, k) => k > index && unit.element && fits(unit));
  const before = (index, fits) => units.findLastIndex((unit, k) => k < index && unit.element && fits(unit));
  const moves = {
    ArrowRight: (k) => after(k, () => true),
    ArrowLeft: (k) => before(k, () => true),
    ArrowDown: (k) => after(k, ({ sentence }) => sentence !== units[k].sentence),
    ArrowUp: (k) => {
      const last = before(k, ({ sentence }) => sentence !== units[k].sentence);
      return last < 0 ? last : after(-1, ({ sentence }) => sentence === units[last].sentence);
    },
    Home: () => after(-1, () => true),
    End: () => before(units.length, () => true),
  };

  truthBox.addEventListener("change", () => save("show_truth", truthBox.checked));
  slider.addEventListener("input", () => save("opacity", Number(slider.value)));

  /** Another kind of unit: from a word to its sentence, from a sentence to its first word. */
  function changeUnit() {
    const { sentence } = units[selection()];
    model.set("pinned", false);
    showReport();
    save("selected", Math.max(0, firstWith((unit) => unit.sentence === sentence)));
  }

  showReport();
  const end = alive(
    model,
    canvas,
    {
      "change:unit": () => (changeUnit(), tell()),
      "change:selected": () => (showUnit(), tell()),
      "change:pinned": () => (showUnit(), tell()),
      "change:opacity": draw,
      "change:show_truth": draw,
    },
    draw,
  );
  return () => (end(), silence());
}

export default { render };
