// A reader study on a page: every film is marked bare, then marked again, most under a heat map; then comes what the
// maps did. All that a reader has done lies in `run`, which the browser keeps; nothing leaves the page by itself.

const MARKUP = `
<div class="card" role="group" aria-label="Reader study">
  <div class="screen start">
    <p class="title" tabindex="-1">Where is it?</p>
    <p class="help about"></p>
    <label class="field"><span>A nickname, or nothing</span>
      <input type="text" maxlength="40" autocomplete="off" spellcheck="false"></label>
    <div class="buttons">
      <button type="button" class="begin strong">Begin with a film to practise on</button>
      <label class="file">Open my results<input type="file" accept=".json,application/json"></label>
    </div>
    <p class="notice" role="alert"></p>
  </div>
  <div class="screen reading" hidden>
    <header>
      <p class="title" tabindex="-1"></p>
      <progress aria-label="Films done"></progress>
      <p class="question"></p>
    </header>
    <div class="body">
      <figure>
        <canvas tabindex="0" role="application" aria-roledescription="film to mark" aria-describedby="keys"></canvas>
        <figcaption>
          <span class="where"></span>
          <label class="toggle"><input type="checkbox" checked>heat map</label>
        </figcaption>
      </figure>
      <div class="panel">
        <div class="buttons marking">
          <button type="button" class="accept strong">Accept the mark</button>
          <button type="button" class="clear">Clear it</button>
          <button type="button" class="unseen">I do not see it</button>
        </div>
        <p class="help marking" id="keys">Drag an ellipse over it; drag from within the ellipse to move it. Or by keys, with
          the film in focus: arrows move the mark, Shift with arrows makes it wider, narrower, taller, flatter, Delete
          clears it, Enter accepts it.</p>
        <p class="help">Accepted is accepted: there is no way back, and no answer before the end.</p>
        <div class="feedback" hidden><p></p><button type="button" class="on strong">Begin round 1</button></div>
      </div>
    </div>
  </div>
  <div class="screen pause" hidden>
    <p class="title" tabindex="-1">Half of it is done</p>
    <p>Now the same films again, in another order. With most of them comes a model's heat map: yellow where it sees what
      you are asked for. Models err, and so do readers. Mark what you think is right. A short break does no harm.</p>
    <div class="buttons"><button type="button" class="on strong">Begin round 2</button></div>
  </div>
  <div class="screen done" hidden>
    <p class="title" tabindex="-1">What you marked, and what the maps did</p>
    <p class="verdict"></p>
    <table>
      <thead><tr><th scope="col">Mean over films</th><th scope="col">value</th><th scope="col">95 % interval</th></tr></thead>
      <tbody></tbody>
    </table>
    <div class="buttons"><button type="button" class="download strong">Download my results</button></div>
    <div class="body review">
      <figure>
        <canvas role="img"></canvas>
        <figcaption>
          <label class="toggle truth-drawn"><input type="checkbox" checked><i class="swatch truth"></i>truth</label>
          <label class="toggle heat-drawn"><input type="checkbox" checked>heat map</label>
          <span class="key"><i class="swatch mask"></i>round 1</span>
          <span class="key"><i class="swatch mask dashed"></i>round 2</span>
        </figcaption>
      </figure>
      <div class="panel">
        <label class="field"><span>Film</span><select></select></label>
        <p class="told"></p>
      </div>
    </div>
  </div>
  <div class="buttons again"><button type="button" class="restart" hidden>Start again</button></div>
  <p class="hidden" role="status"></p>
</div>`;

const STYLE = `
p { margin: 0 0 0.6rem; }
.title { font-weight: 600; font-size: 1.0625rem; }
.title:focus { outline: none; }
.help { color: var(--muted); font-size: 0.875rem; }
.question { font-size: 1.0625rem; }
.field { display: grid; gap: 0.3rem; max-width: 22rem; margin-bottom: 0.75rem; }
input[type=text], select {
  width: 100%; padding: 0.35rem 0.5rem; font: inherit; color: var(--ink); background: var(--paper);
  border: 1px solid var(--muted); border-radius: 0.3rem;
}
.buttons { display: flex; flex-wrap: wrap; gap: 0.5rem; margin: 0 0 0.75rem; }
.buttons.again { margin: 0.75rem 0 0; }
button, .file {
  padding: 0.4rem 0.75rem; font: inherit; color: var(--ink); background: var(--paper);
  border: 1px solid var(--muted); border-radius: 0.3rem; cursor: pointer;
}
.strong { border: 2px solid var(--accent); font-weight: 600; }
.file { position: relative; overflow: hidden; }
.file input { position: absolute; inset: 0; opacity: 0; cursor: pointer; }
.file:focus-within, button:focus-visible, canvas:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
progress { width: 100%; height: 0.6rem; accent-color: var(--accent); }
.reading canvas { touch-action: none; cursor: crosshair; }
.where { min-height: 2.9em; font-variant-numeric: tabular-nums; }
.dashed { border-style: dashed; }
table { width: 100%; margin-bottom: 0.75rem; border-collapse: collapse; font-size: 0.875rem; }
th, td { padding: 0.3rem 0.5rem; text-align: left; border-bottom: 1px solid var(--line); font-weight: 400; vertical-align: top; }
thead th { color: var(--muted); }
td { font-variant-numeric: tabular-nums; }
@container (min-width: 34rem) {
  td { white-space: nowrap; }
}
.notice:empty { display: none; }`;

/** What a browser remembers of a page; some remember nothing, and some refuse. */
function memory(name) {
  const attempt = (action) => {
    try {
      return action();
    } catch {
      return null;
    }
  };
  return {
    read: () => attempt(() => JSON.parse(localStorage.getItem(name))),
    write: (value) => attempt(() => (localStorage.setItem(name, JSON.stringify(value)), true)),
    forget: () => attempt(() => localStorage.removeItem(name)),
  };
}

const half = (value) => Math.round(2 * value) / 2;

const within = (value, least, most) => Math.min(most, Math.max(least, value));

/** An ellipse in half pixels that does not leave the film with its centre. */
function tidy({ x, y, rx, ry }, { width, height }) {
  return {
    x: within(half(x), 0, width), y: within(half(y), 0, height),
    rx: within(half(rx), 1, width), ry: within(half(ry), 1, height),
  };
}

const holds = (mark, x, y) => mark && ((x - mark.x) / mark.rx) ** 2 + ((y - mark.y) / mark.ry) ** 2 <= 1;

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function ellipse({ x, y, rx, ry }) {
  const path = new Path2D();
  path.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI);
  return path;
}

function render(widget) {
  const { model } = widget;
  const find = card(widget, STYLE, MARKUP);
  const { announce, silence } = announcer(find("[role=status]"));
  const save = saver(model);
  const palette = bytes(model.get("palette"));
  const colours = model.get("colours");
  const kept = memory(`cxrtutor-reader-study-${model.get("key")}`);
  const names = Object.keys(model.get("estimates"));
  const draws = Object.fromEntries(Object.entries(model.get("draws")).map(([number, text]) => [number, bytes(text)]));

  const canvas = find(".reading canvas");
  const reviewed = find(".review canvas");
  const heatDrawn = find(".reading .toggle input");

  const decoded = (film) => ({
    ...film,
    truth: bits(film.truth, film.width * film.height),
    hot: bits(film.hot, film.width * film.height),
  });
  const films = model.get("films").map(decoded);
  const practice = decoded(model.get("practice"));
  const ids = films.map(({ id }) => id);
  const byId = Object.fromEntries(films.map((film) => [film.id, film]));

  let run = null; // { seed, reader, practised, readings, finished }
  let plan = [];
  let shown = null; // the film in hand: { film, map, mark, since, truth (whether it is drawn), pictures }
  let examined = null; // the film of the review

  // The run: what was done, kept at every step.

  function take(candidate) {
    run = candidate;
    plan = planOf(run.seed, ids);
  }

  const keep = () => kept.write(run);

  /** A run that was kept or opened, if it is one of these films and in order. */
  function restored(candidate) {
    try {
      const sound = Number.isInteger(candidate.seed) && typeof candidate.reader === "string";
      return sound && follows(candidate.readings, planOf(candidate.seed, ids)) ? candidate : null;
    } catch {
      return null;
    }
  }

  const isDone = () => run.readings.length === plan.length;

  const answers = () => ({
    format: model.get("format"), set: model.get("key"), seed: run.seed, reader: run.reader, finished: run.finished,
    readings: run.readings,
  });

  // Screens.

  function show(screen) {
    for (const one of ["start", "reading", "pause", "done"]) find(`.${one}`).hidden = one !== screen;
    const restart = find(".restart");
    restart.hidden = screen === "start" && !run;
    restart.textContent = "Start again";
  }

  /** Shows what a step of the reader's leads to, and takes the keyboard along. */
  function enter(screen) {
    show(screen);
    find(`.${screen} .title`).focus({ preventScroll: true });
  }

  function showStart() {
    const number = films.length;
    find(".about").textContent =
      `${number} films, one thing to find on each. You mark it, then all films come once more. It takes ten to fifteen ` +
      "minutes, and you may stop at any film and go on later in this browser. What you do stays in this browser until " +
      "you download it yourself.";
    const done = run && `Go on: ${run.readings.length} of ${plan.length} are done`;
    find(".begin").textContent = done ?? "Begin with a film to practise on";
    // Another run's results would take this one's place, and tell its answers.
    for (const part of [".start .field", ".file"]) find(part).hidden = Boolean(run);
    find(".notice").textContent = unkept;
    show("start");
  }

  function next() {
    if (isDone()) return showDone();
    if (!run.practised) return showPractice();
    const step = plan[run.readings.length];
    const number = films.length;
    find(".reading .title").textContent = `Round ${step.round} of 2, film ${(run.readings.length % number) + 1} of ${number}`;
    hold(byId[step.film], step.map);
  }

  /** The next film, or the pause before the second round. */
  const goOn = () => (run.readings.length === films.length ? enter("pause") : next());

  function showPractice() {
    find(".reading .title").textContent = "A film to practise on; it does not count";
    hold(practice, NO_MAP);
  }

  /** Puts a film before the reader. */
  function hold(film, map) {
    show("reading");
    shown = { film, map, mark: null, since: performance.now(), truth: false, pictures: pictures(film, draw) };
    const [bar, number] = [find("progress"), run.readings.length];
    [bar.max, bar.value] = [plan.length, number];
    bar.textContent = `${number} of ${plan.length}`;
    const strong = document.createElement("b");
    strong.textContent = film.finding;
    find(".question").replaceChildren("Mark the ", strong, `. ${model.get("looks")[film.finding] ?? ""}`);
    find(".reading .toggle").hidden = map === NO_MAP;
    heatDrawn.checked = true;
    for (const part of [".buttons.marking", "#keys"]) find(part).hidden = false;
    find(".feedback").hidden = true;
    canvas.style.aspectRatio = `${film.width} / ${film.height}`;
    const place = find(".reading .title").textContent;
    const over = map === NO_MAP ? "" : " A heat map lies over it.";
    canvas.setAttribute("aria-label", `Chest radiograph. ${place}. Mark the ${film.finding}.${over}`);
    marked(null);
    canvas.focus({ preventScroll: true });
    announce(`${place}. Mark the ${film.finding}.`);
  }

  /** The film and its heat as pictures; `then` is called once each can be drawn. */
  function pictures(film, then) {
    const made = { image: picture(film.image, then), warm: null }; // the heat has to be coloured first
    const heat = picture(film.heat, () => {
      const copy = new OffscreenCanvas(film.width, film.height).getContext("2d");
      copy.drawImage(heat, 0, 0);
      const { data } = copy.getImageData(0, 0, film.width, film.height);
      made.warm = raster(film.width, film.height, (i) => warmth(palette, data[4 * i] ? (data[4 * i] - 1) / 254 : NaN));
      then();
    });
    return made;
  }

  // The mark.

  function marked(mark) {
    shown.mark = mark && tidy(mark, shown.film);
    find(".accept").disabled = find(".clear").disabled = !shown.mark;
    find(".where").textContent = shown.mark ? placed(shown.mark, shown.film) : "nothing is marked";
    draw();
  }

  function placed({ x, y, rx, ry }, { width, height }) {
    const percent = (value, all) => `${Math.round((100 * value) / all)}\u00a0%`;
    return (
      `${percent(x, width)} from the left, ${percent(y, height)} from the top; ` +
      `${percent(2 * rx, width)} wide, ${percent(2 * ry, height)} high`
    );
  }

  const plain = (x, y) => ({ x, y, rx: shown.film.width / 12, ry: shown.film.height / 12 });

  canvas.addEventListener("keydown", (event) => {
    if (shown.truth || event.ctrlKey || event.altKey || event.metaKey) return;
    const { film, mark } = shown;
    if (event.key in ARROWS) {
      const [right, down] = ARROWS[event.key].map((way) => way * (event.repeat ? 4 : 2));
      if (!mark) marked(plain(film.width / 2, film.height / 2));
      else if (event.shiftKey) marked({ ...mark, rx: mark.rx + right / 2, ry: mark.ry - down / 2 });
      else marked({ ...mark, x: mark.x + right, y: mark.y + down });
      announce(find(".where").textContent);
    } else if (event.key === "Enter") {
      if (mark) accept(mark);
      else announce("Nothing is marked. Arrow keys put a mark in the middle.");
    } else if (["Delete", "Backspace", "Escape"].includes(event.key)) {
      marked(null);
      announce("Nothing is marked.");
    } else return;
    event.preventDefault();
  });

  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    const { width, height } = shown.film;
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };

  let from = null; // where the pointer went down, and the mark that it moves
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || shown.truth) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    const [x, y] = placeOf(event);
    from = { x, y, moves: holds(shown.mark, x, y) ? shown.mark : null };
    if (!from.moves) marked(plain(x, y));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [x, y] = placeOf(event);
    const [right, down] = [x - from.x, y - from.y];
    if (from.moves) marked({ ...from.moves, x: from.moves.x + right, y: from.moves.y + down });
    else if (Math.max(Math.abs(right), Math.abs(down)) >= 2) {
      marked({ x: from.x + right / 2, y: from.y + down / 2, rx: Math.abs(right) / 2, ry: Math.abs(down) / 2 });
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (from) announce(find(".where").textContent);
      from = null;
    });
  }

  function accept(mark) {
    from = null;
    if (!run.practised) return showFeedback(mark);
    const { round, film, map } = plan[run.readings.length];
    const seconds = Math.round((performance.now() - shown.since) / 100) / 10;
    run.readings.push({ round, film, map, mark, seconds });
    if (isDone()) run.finished = new Date().toISOString();
    keep();
    goOn();
  }

  function showFeedback(mark) {
    const { film } = shown;
    const iou = iouOf(covered(mark, film.width, film.height), film.truth);
    shown.truth = true;
    for (const part of [".buttons.marking", "#keys"]) find(part).hidden = true;
    find(".feedback").hidden = false;
    find(".feedback p").textContent =
      `Outlined is the truth. Your mark and it share ${Math.round(100 * iou)}\u00a0% of what the two cover together: an IoU ` +
      `of ${iou.toFixed(2)}. From now on no film shows its truth.`;
    draw();
    announce(find(".feedback p").textContent);
    find(".feedback .on").focus({ preventScroll: true });
  }

  // Pictures.

  function draw() {
    if (!shown || find(".reading").hidden) return;
    const { film, map, mark, truth } = shown;
    const heat = map !== NO_MAP && heatDrawn.checked ? map : null;
    drawFilm(canvas, film, shown.pictures, { heat, marks: [mark], truth });
  }

  function drawFilm(target, film, { image, warm }, { heat, marks, truth }) {
    const context = prepared(target, film.width, film.height);
    if (!context) return; // the observer of its size calls again
    context.drawImage(image, 0, 0);
    if (heat && warm) {
      context.save();
      context.globalAlpha = model.get("opacity");
      if (heat === WRONG) context.transform(-1, 0, 0, 1, film.width, 0);
      context.drawImage(warm, 0, 0);
      context.restore();
    }
    const cssPixel = film.width / target.clientWidth;
    if (truth) cased(context, border(film.truth, film.width, film.height), colours.truth, colours.casing, 2.25, cssPixel);
    marks.forEach((mark, k) => {
      if (!mark) return;
      context.setLineDash(k ? [6 * cssPixel, 5 * cssPixel] : []);
      cased(context, ellipse(mark), colours.mask, colours.casing, 2, cssPixel);
    });
    context.setLineDash([]);
    sides(context, film.width, colours.casing, cssPixel);
  }

  // The end.

  /** `come` is `show` where the reader did not ask for it: the page then leaves the keyboard where it is. */
  function showDone(come = enter) {
    const estimates = estimatesOf(films, run.readings, draws, names);
    const number = (value) => value.toFixed(3).replace("-", "−");
    const rows = names.map((name) => {
      const row = document.createElement("tr");
      row.dataset.name = name;
      const head = row.appendChild(Object.assign(document.createElement("th"), { scope: "row" }));
      const strong = head.appendChild(document.createElement("b"));
      strong.textContent = name;
      head.append(`: ${model.get("estimates")[name]}`);
      const { value, low, high } = estimates[name];
      for (const text of [number(value), `${number(low)} to ${number(high)}`]) row.insertCell().textContent = text;
      return row;
    });
    find("tbody").replaceChildren(...rows);
    find(".verdict").textContent = verdict(estimates, number);
    const select = find("select");
    const order = plan.slice(films.length).map(({ film }) => byId[film]);
    select.replaceChildren(...order.map(({ id, finding }, k) => new Option(`${k + 1}: ${finding}`, id)));
    save("results", answers());
    come("done");
    examine();
    announce(`You have finished. ${find(".verdict").textContent}`);
  }

  function verdict({ "automation bias": { value, low, high }, "second look": again }, number) {
    const wrong = plan.filter(({ map }) => map === WRONG).length;
    const told =
      `The maps of ${wrong} films were wrong on purpose: mirrored, so that they pointed at the other lung. On these your ` +
      `IoU ${value < 0 ? "rose" : "fell"} by ${number(Math.abs(value))}`;
    if (low <= 0 && high >= 0) {
      return `${told}. The interval holds 0, so ${wrong} films cannot tell it from chance. A class can.`;
    }
    return (
      `${told}. The interval leaves out 0, but intervals of ${wrong} films are too narrow, and on the films that stayed ` +
      `bare it ${again.value < 0 ? "fell" : "rose"} by ${number(Math.abs(again.value))}, which no map did. What the wrong ` +
      "maps did cannot be told from one reader. A class can tell."
    );
  }

  function examine() {
    const film = byId[find("select").value];
    const [first, second] = readingsOf(film.id, run.readings);
    const ious = [first, second].map(({ mark }) => iouOf(covered(mark, film.width, film.height), film.truth));
    const [before, after] = ious.map((iou) => iou.toFixed(2));
    const effects = effectsOf(film, run.readings);
    const under = { right: "under a right map", wrong: "under a wrong map", none: "without a map again" }[second.map];
    find(".told").textContent =
      `${film.finding[0].toUpperCase()}${film.finding.slice(1)}. Round 1: IoU ${before}. Round 2, ${under}: IoU ${after}.` +
      (effects.followed ? " You followed the wrong map." : "");
    find(".heat-drawn").hidden = second.map === NO_MAP;
    reviewed.style.aspectRatio = `${film.width} / ${film.height}`;
    reviewed.setAttribute("aria-label", `Chest radiograph with the truth and your two marks. ${find(".told").textContent}`);
    examined = { film, map: second.map, marks: [first.mark, second.mark], pictures: pictures(film, drawExamined) };
    drawExamined();
  }

  function drawExamined() {
    if (!examined || find(".done").hidden) return;
    const { film, map, marks } = examined;
    const heat = map !== NO_MAP && find(".heat-drawn input").checked ? map : null;
    drawFilm(reviewed, film, examined.pictures, { heat, marks, truth: model.get("show_truth") });
  }

  function download() {
    const link = document.createElement("a");
    const words = run.reader.toLowerCase().match(/[a-z0-9]+/g) ?? [run.seed.toString(16).padStart(8, "0")];
    link.href = URL.createObjectURL(new Blob([JSON.stringify(answers(), null, 1)], { type: "application/json" }));
    link.download = `reader-study-${words.join("-")}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  async function open(file) {
    const content = await file.text().then(JSON.parse).catch(() => null);
    const found = content?.set === model.get("key") ? restored(content) : null;
    if (found?.readings.length !== 2 * films.length) {
      find(".notice").textContent = `${file.name} does not hold the finished results of this reader study.`;
      return;
    }
    const { seed, reader, readings, finished } = found;
    take({ seed, reader, practised: true, readings, finished });
    keep();
    showDone();
  }

  // Buttons.

  const click = (selector, action) => find(selector).addEventListener("click", action);
  find(".card").addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Enter" || !event.repeat) return;
      event.preventDefault(); // a held key answers what it was pressed for, and not what comes next
      event.stopPropagation();
    },
    { capture: true },
  );
  click(".begin", () => {
    if (!run) {
      const [seed] = crypto.getRandomValues(new Uint32Array(1));
      take({ seed, reader: find(".start input").value.trim(), practised: false, readings: [], finished: null });
      keep();
    }
    goOn();
  });
  click(".accept", () => accept(shown.mark));
  click(".unseen", () => accept(null));
  click(".clear", () => (marked(null), canvas.focus({ preventScroll: true })));
  click(".feedback .on", () => {
    run.practised = true;
    keep();
    next();
  });
  click(".pause .on", next);
  click(".download", download);
  click(".restart", () => {
    const button = find(".restart");
    const sure = "Delete all my marks and start again?";
    if (button.textContent !== sure) return (button.textContent = sure);
    kept.forget();
    run = shown = examined = null;
    save("results", {});
    showStart();
    find(".begin").focus();
  });
  find(".restart").addEventListener("blur", () => (find(".restart").textContent = "Start again"));
  find(".file input").addEventListener("change", ({ target }) => {
    if (target.files[0]) open(target.files[0]);
    target.value = ""; // so that the same file can be chosen once more
  });
  find("select").addEventListener("change", () => (examine(), announce(find(".told").textContent)));
  heatDrawn.addEventListener("change", draw);
  find(".heat-drawn input").addEventListener("change", drawExamined);
  find(".truth-drawn input").checked = model.get("show_truth");
  find(".truth-drawn input").addEventListener("change", ({ target }) => (save("show_truth", target.checked), drawExamined()));

  const before = restored(kept.read());
  if (before) take(before);
  const keeps = kept.write(before); // puts away what is no run of these films, too
  const unkept = keeps ? "" : "This browser keeps nothing for this page: finish in one go.";
  if (run && isDone()) showDone(show);
  else showStart();
  silence(); // nothing was done yet

  const ends = [alive(model, canvas, {}, draw), alive(model, reviewed, {}, drawExamined)];
  return () => (ends.forEach((end) => end()), silence());
}

export default { render };
