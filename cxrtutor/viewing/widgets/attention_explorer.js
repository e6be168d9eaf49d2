// A report beside its radiograph: each word, each sentence or the whole report shows where it looks.
// The state lives in the model (a kernel's or a page's); every change of it comes back as an event and is drawn.

const MARKUP = `
<div class="card" role="group" aria-label="Attention explorer">
  <div class="body">
    ${MAP_FIGURE}
    <div class="panel">
      <fieldset><legend>Look from</legend></fieldset>
      <div class="report" role="toolbar"></div>
      ${MAP_READING}
      ${MAP_OPACITY}
    </div>
  </div>
  <p class="hidden" role="status"></p>
</div>`;

/** The maps of one unit: `of(k)` gives the values of map k, or null where it has none. */
function decode({ rows, columns, values }) {
  const all = floats(values);
  const of = (k) => {
    const one = all.subarray(k * rows * columns, (k + 1) * rows * columns);
    return Number.isNaN(one[0]) ? null : one;
  };
  return { rows, columns, of };
}

function render(widget) {
  const { model } = widget;
  const find = card(widget, MAP_STYLE, MARKUP);
  const report = find(".report");
  const { announce, silence } = announcer(find("[role=status]"));

  const sentences = model.get("sentences");
  const allMaps = Object.fromEntries(Object.entries(model.get("maps")).map(([unit, maps]) => [unit, decode(maps)]));
  const save = saver(model);

  let units; // of the kind chosen: { element (null without a map), sentence, text }
  let reading; // of the map of the unit selected

  const named = () => (model.get("unit") === "report" ? "the whole report" : `“${units[selection()].text}”`);

  /** What the sentence of the selected unit speaks of; of the whole report, all. */
  function outlined() {
    const { sentence } = units[selection()];
    if (sentence === null) return model.get("truths").map((_, k) => k);
    const { truth } = sentences[sentence];
    return truth === null ? [] : [truth];
  }

  const { show, draw } = mapFigure(model, find, { name: named, outlined });

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
    units.forEach(({ element }, k) => element && mark(element, k === selected, pinned));
    const { rows, columns, of } = allMaps[unit];
    reading = show({ rows, columns, values: of(selected) });
    find(".help").textContent = pinHelp(pinned);
  }

  function tell() {
    announce(`${named()}${model.get("pinned") ? ", pinned" : ""}: ${reading.place}. ${reading.numbers}.`);
  }

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

  choosing(report, model, { selection, moves, elementOf: (k) => units[k]?.element });

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
    find("canvas"),
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
