// Optimal transport between the regions of a radiograph and the sentences of its report, solved here in the page.
// The state lives in the model (a kernel's or a page's); every change of it comes back as an event and is drawn.

const MARKUP = `
<div class="card" role="group" aria-label="Transport explorer">
  <div class="body">
    <div class="panel">
      ${MAP_FIGURE}
      ${MAP_OPACITY}
      ${MAP_READING}
    </div>
    <div class="panel">
      <fieldset>
        <legend>Transport</legend>
        <label><input type="radio" name="kind" value="balanced">balanced</label>
        <label><input type="radio" name="kind" value="unbalanced">unbalanced</label>
        <label><input type="radio" name="kind" value="partial">partial</label>
      </fieldset>
      <label class="slider epsilon"><span>Entropy weight ε <b aria-hidden="true"></b></span>
        <input type="range" min="-2.3" max="0.3" step="0.05">
        <span class="ends" aria-hidden="true"><small>sharp</small><small>spread out</small></span></label>
      <label class="slider regions"><span>Price ρ of the regions’ marginal <b aria-hidden="true"></b></span>
        <input type="range" min="-3" max="1.1" step="0.1">
        <span class="ends" aria-hidden="true"><small>free</small><small>exact</small></span></label>
      <label class="slider sentences"><span>Price ρ of the sentences’ marginal <b aria-hidden="true"></b></span>
        <input type="range" min="-3" max="1.1" step="0.1">
        <span class="ends" aria-hidden="true"><small>free</small><small>exact</small></span></label>
      <label class="slider mass"><span>Mass to move <b aria-hidden="true"></b></span>
        <input type="range" min="0.01" max="1" step="0.01"></label>
      <div>
        <p class="caption">Mass that each sentence receives; the mark is its own mass.</p>
        <div class="report" role="toolbar" aria-label="The report, sentence by sentence" aria-orientation="vertical"></div>
      </div>
    </div>
  </div>
  <dl>
    <div><dt>Cost ⟨plan, C⟩</dt><dd class="cost"></dd></div>
    <div><dt>Entropic value</dt><dd class="value"></dd></div>
    <div><dt>Mass moved</dt><dd class="moved"></dd></div>
    <div><dt>Regions off by</dt><dd class="regions-off"></dd></div>
    <div><dt>Sentences off by</dt><dd class="sentences-off"></dd></div>
    <div><dt>Iterations</dt><dd class="iterations"></dd></div>
  </dl>
  <p class="hidden" role="status"></p>
</div>`;

const STYLE = `
.panel > * { min-width: 0; }
.panel { gap: 0.875rem; }
.slider:not(.opacity) { --track: var(--line); }
.reading { min-height: 0; }
legend { width: 100%; }
.ends { line-height: 1; }
.caption { margin: 0 0 0.25rem; color: var(--muted); font-size: 0.875rem; }
.report { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0.5rem; line-height: 1.45; }
.sentence { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0.15rem 0.6rem; align-items: center; }
.sentence [role=button] { grid-column: 1 / -1; justify-self: start; }
.bar { position: relative; height: 0.7rem; border: 1px solid var(--line); border-radius: 0.2rem; }
.bar i { position: absolute; inset: 0 auto 0 0; background: var(--accent); border-radius: 0.15rem; }
.bar u { position: absolute; top: -0.2rem; bottom: -0.2rem; width: 3px; margin-left: -1.5px; background: var(--ink); outline: 1px solid var(--paper); }
.sentence small { color: var(--muted); font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: 0.6rem; margin: 1.25rem 0 0; }
dl div { padding: 0.4rem 0.6rem; border: 1px solid var(--line); border-radius: 0.4rem; }
dt { color: var(--muted); font-size: 0.875rem; font-weight: 400; }
dd { margin: 0; font-size: 1.125rem; line-height: 1.3; }`;

/** Potentials that change by less are at rest; past so many iterations the page gives up. */
const [REST, MOST_ITERATIONS] = [1e-7, 10000];

/** How long the page may work before it draws what it has, in milliseconds. */
const PATIENCE = 12;

/** What a logarithmic slider stands for: three digits, or null at its end, where a marginal is exact. */
const fromSlider = (position) => Number((10 ** position).toPrecision(3));

function render(widget) {
  const { model } = widget;
  const find = card(widget, MAP_STYLE + STYLE, MARKUP);
  const report = find(".report");
  const { announce, silence } = announcer(find("[role=status]"));
  const save = saver(model);

  const sentences = model.get("sentences");
  const { rows, columns, cost, mass: regionMass } = model.get("grid");
  const problem = { cost: floats(cost), a: regionMass, b: sentences.map(({ mass }) => mass) };

  let run; // { solver, iterations, rests, then }
  let solved; // its result, with what each sentence receives
  let reading; // of the map of the sentence selected
  let pending; // the next frame in which it goes on

  const selection = () => Math.min(model.get("selected"), sentences.length - 1);
  const named = () => `“${sentences[selection()].text}”`;
  const outlined = () => {
    const { truth } = sentences[selection()];
    return truth === null ? [] : [truth];
  };
  const { show, draw } = mapFigure(model, find, { name: named, outlined });

  const lines = sentences.map(({ text }, number) => {
    const line = document.createElement("div");
    line.className = "sentence";
    line.dataset.unit = number;
    line.innerHTML = `<span role="button"></span><span class="bar" aria-hidden="true"><i></i><u></u></span><small></small>`;
    const [button, amount] = [line.firstElementChild, line.lastElementChild];
    button.textContent = text;
    amount.id = `amount-${number}`;
    button.setAttribute("aria-describedby", amount.id);
    report.append(line);
    return { button, amount, bar: line.querySelector("i"), own: line.querySelector("u") };
  });

  /** Solves the problem anew on the present terms, and calls `then` once the potentials rest. */
  function start(then) {
    const kind = model.get("kind");
    cancelAnimationFrame(pending);
    const terms = {
      epsilon: model.get("epsilon"),
      relaxation: kind === "unbalanced" ? model.get("relaxation") : [null, null],
      mass: kind === "partial" ? model.get("mass") : null,
    };
    run = { solver: sinkhorn({ ...problem, ...terms }), iterations: 0, rests: false, then };
    goOn();
  }

  /** Iterates for as long as a reader does not notice, and draws; then goes on in the next frame, if need be. */
  function goOn() {
    const end = performance.now() + PATIENCE;
    do {
      run.rests = run.solver.iterate() < REST;
      run.iterations++;
    } while (!run.rests && run.iterations < MOST_ITERATIONS && performance.now() < end);
    showPlan();
    if (!run.rests && run.iterations < MOST_ITERATIONS) pending = requestAnimationFrame(goOn);
    else run.then?.();
  }

  function showPlan() {
    const { plan, cost, value } = run.solver.result();
    const received = sentences.map((_, j) => sum(regionMass.map((_, i) => plan[i * sentences.length + j])));
    const given = regionMass.map((_, i) => sum(plan.subarray(i * sentences.length, (i + 1) * sentences.length)));
    const off = (masses, marginal) => sum(masses.map((mass, k) => Math.abs(mass - marginal[k])));
    solved = { plan, received };
    const most = Math.max(...received, ...problem.b);
    lines.forEach(({ amount, bar, own }, j) => {
      bar.style.width = `${(100 * received[j]) / most}%`;
      own.style.left = `${(100 * problem.b[j]) / most}%`;
      amount.textContent = `${received[j].toFixed(3)} of ${problem.b[j].toFixed(3)}`;
    });
    find(".cost").textContent = digits(cost);
    find(".value").textContent = digits(value);
    find(".moved").textContent = sum(received).toFixed(4);
    find(".regions-off").textContent = off(given, regionMass).toFixed(4);
    find(".sentences-off").textContent = off(received, problem.b).toFixed(4);
    find(".iterations").textContent =
      run.iterations.toLocaleString("en") + (run.iterations < MOST_ITERATIONS || run.rests ? "" : ", not at rest");
    showSentence();
  }

  function showSentence() {
    const [selected, pinned] = [selection(), model.get("pinned")];
    lines.forEach(({ button }, j) => mark(button, j === selected, pinned));
    const values = regionMass.map((mass, i) => (mass ? solved.plan[i * sentences.length + selected] : NaN));
    reading = show({ rows, columns, values }, 0);
    find(".help").textContent = pinHelp(pinned);
  }

  function tell() {
    announce(
      `${named()}${model.get("pinned") ? ", pinned" : ""}: receives ${lines[selection()].amount.textContent}. ` +
        `${sentenceCase(reading.place)}. Cost ${find(".cost").textContent}, ${run.iterations} iterations.`,
    );
  }

  // The terms: every control shows what the model holds, and writes to it.
  const sliderOf = (name) => find(`.${name} input`);
  const LOGARITHMIC_END = Number(sliderOf("regions").max);
  const place = (name, position, text) => {
    sliderOf(name).value = position;
    sliderOf(name).setAttribute("aria-valuetext", text);
    find(`.${name} b`).textContent = text;
  };
  function showTerms() {
    const kind = model.get("kind");
    find(`[value=${kind}]`).checked = true;
    place("epsilon", Math.log10(model.get("epsilon")), digits(model.get("epsilon")));
    ["regions", "sentences"].forEach((name, side) => {
      const price = model.get("relaxation")[side];
      place(name, price === null ? LOGARITHMIC_END : Math.log10(price), price === null ? "exact" : digits(price));
      find(`.${name}`).hidden = kind !== "unbalanced";
    });
    place("mass", model.get("mass"), `${Math.round(100 * model.get("mass"))}\u00a0%`);
    find(".mass").hidden = kind !== "partial";
  }
  for (const radio of find("fieldset").querySelectorAll("input")) {
    radio.addEventListener("change", () => save("kind", radio.value));
  }
  sliderOf("epsilon").addEventListener("input", (event) => save("epsilon", fromSlider(event.target.value)));
  sliderOf("mass").addEventListener("input", (event) => save("mass", Number(event.target.value)));
  ["regions", "sentences"].forEach((name, side) =>
    sliderOf(name).addEventListener("input", ({ target }) => {
      const price = Number(target.value) === LOGARITHMIC_END ? null : fromSlider(target.value);
      save("relaxation", model.get("relaxation").with(side, price));
    }),
  );

  const last = sentences.length - 1;
  const moves = {
    ArrowRight: (j) => Math.min(j + 1, last),
    ArrowDown: (j) => Math.min(j + 1, last),
    ArrowLeft: (j) => Math.max(j - 1, 0),
    ArrowUp: (j) => Math.max(j - 1, 0),
    Home: () => 0,
    End: () => last,
  };
  choosing(report, model, { selection, moves, elementOf: (j) => lines[j].button });

  const change = () => (showTerms(), start(tell));
  showTerms();
  start();
  const end = alive(
    model,
    find("canvas"),
    {
      "change:kind": change,
      "change:epsilon": change,
      "change:relaxation": change,
      "change:mass": change,
      "change:selected": () => (showSentence(), tell()),
      "change:pinned": () => (showSentence(), tell()),
      "change:opacity": draw,
      "change:show_truth": draw,
    },
    draw,
  );
  return () => (end(), silence(), cancelAnimationFrame(pending));
}

export default { render };
