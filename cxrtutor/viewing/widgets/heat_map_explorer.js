// A heat map on its radiograph: the reader moves the threshold, and sees the mask, IoU and Dice follow.
// The state lives in the model (a kernel's or a page's); every change of it comes back as an event and is drawn.

const MARKUP = `
<div class="card" role="group" aria-label="Heat map explorer">
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
</div>`;

const STYLE = `
header { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0.375rem; margin-bottom: 0.75rem; }
.chooser { display: flex; gap: 0.625rem; align-items: baseline; color: var(--muted); }
select {
  flex: 1; min-width: 0; padding: 0.3rem 0.5rem; font: inherit; color: var(--ink); background: var(--paper);
  border: 1px solid var(--muted); border-radius: 0.3rem; text-overflow: ellipsis;
}
.title { margin: 0; font-weight: 600; }
.prompt { margin: 0; font-size: 1.0625rem; font-style: italic; overflow-wrap: anywhere; }
.single .chooser, .card:not(.single) .title { display: none; }
@container (min-width: 48rem) {
  .card:not(.single) .prompt { display: none; } /* the chooser has room to show it */
}
.threshold { --track: var(--heat-track); }
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
.dot { width: 0.7rem; height: 0.7rem; border-radius: 0.15rem; border: 1px solid var(--muted); }`;

/** Arrays of a case: `heat` float32 with NaN where it is not valid, `truth` of 0 and 1, or null. */
function decode({ width, height, heat, truth }) {
  return { width, height, heat: floats(heat), truth: truth && bits(truth, width * height) };
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

function render(widget) {
  const { model } = widget;
  const find = card(widget, STYLE, MARKUP);
  const canvas = find("canvas");
  const controls = {
    selected: find("select"),
    threshold: find(".threshold input"),
    opacity: find(".opacity input"),
    show_truth: find(".toggle input"),
  };
  const palette = bytes(model.get("palette"));
  const colours = model.get("colours");
  const { announce, silence } = announcer(find("[role=status]"));

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
    const { width, height, heat, truth } = arrays;
    shown = {
      ...arrays,
      radiograph: picture(cases[index].image, draw),
      heatPicture: raster(width, height, (i) => warmth(palette, (heat[i] + 1) / 2)),
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
    const { width, height, radiograph, heatPicture, truthBorder } = shown;
    const opacity = model.get("opacity");
    const truthDrawn = model.get("show_truth") && truthBorder;
    controls.opacity.value = opacity;
    controls.show_truth.checked = model.get("show_truth");
    find(".opacity b").textContent = `${Math.round(100 * opacity)}\u00a0%`;

    const context = prepared(canvas, width, height);
    if (!context) return; // the observer of its size calls again
    context.drawImage(radiograph, 0, 0);
    context.globalAlpha = opacity;
    context.drawImage(heatPicture, 0, 0);
    context.globalAlpha = 1;
    const cssPixel = width / canvas.clientWidth;
    cased(context, maskBorder, colours.mask, colours.casing, 1.5, cssPixel);
    if (truthDrawn) cased(context, truthBorder, colours.truth, colours.casing, 2.25, cssPixel);
    sides(context, width, colours.casing, cssPixel);
    describe(truthDrawn);
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
  function tell() {
    announce(
      scores
        ? `IoU ${scores.iou.toFixed(3)}, Dice ${scores.dice.toFixed(3)}`
        : "No ground truth: IoU and Dice are undefined",
    );
  }

  const save = saver(model);
  const listen = (name, event, read) => controls[name].addEventListener(event, () => save(name, read(controls[name])));
  listen("selected", "change", (select) => Number(select.value));
  listen("threshold", "input", (slider) => Number(slider.value));
  listen("opacity", "input", (slider) => Number(slider.value));
  listen("show_truth", "change", (box) => box.checked);

  showCases();
  const end = alive(
    model,
    canvas,
    {
      "change:cases": () => (showCases(), tell()),
      "change:selected": () => (showCase(), tell()),
      "change:threshold": () => (showThreshold(), tell()),
      "change:opacity": draw,
      "change:show_truth": draw,
    },
    draw,
  );
  return () => (end(), silence());
}

export default { render };
