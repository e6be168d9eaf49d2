// A map of studies by their embeddings: a point chosen shows its study's radiograph and report, or its prototype's studies.
// The state lives in the model (a kernel's or a page's); every change of it comes back as an event and is drawn.

const MARKUP = `
<div class="card" role="group" aria-label="Prototype map">
  <div class="body">
    <div>
      <div class="plane" role="listbox" aria-label="Studies and prototypes in the plane">
        <svg class="map" role="presentation">
          <g class="links" aria-hidden="true"></g>
          <g class="points" role="presentation"></g>
          <circle class="ring chosen" r="10" aria-hidden="true"></circle>
          <circle class="ring pointed" r="10" aria-hidden="true"></circle>
          <text class="tip" aria-hidden="true"></text>
        </svg>
      </div>
      <div class="legend" role="group" aria-label="Findings to show"></div>
      <p class="help">Point at the map, or use the arrow keys. A click or Enter shows what lies there. Page up and Page
        down go through all in order.</p>
    </div>
    <div class="panel">
      <div>
        <p class="title"></p>
        <p class="finding"></p>
        <p class="prototype"></p>
      </div>
      <figure><canvas role="img"></canvas><p class="missing">This study has no picture here.</p></figure>
      <div class="text"><p class="caption">Report</p><p class="report"></p></div>
      <ul class="members"></ul>
    </div>
  </div>
  <p class="hidden" role="status"></p>
</div>`;

const STYLE = `
p { margin: 0; }
.map { display: block; width: 100%; border: 1px solid var(--line); border-radius: 0.4rem; cursor: crosshair; }
.map [role=option] { outline: none; }
.mark { stroke: var(--ink); stroke-width: 0.9; }
.mark .outer { fill: var(--paper); stroke-width: 4; }
.mark .inner { fill: none; stroke-width: 2.2; }
.star { fill: var(--ink); stroke: var(--paper); stroke-width: 1.2; }
.links line { stroke: var(--muted); stroke-width: 1; opacity: 0.35; }
.links .own { stroke: var(--accent); stroke-width: 2; opacity: 1; }
.ring { fill: none; stroke-width: 3; pointer-events: none; }
.ring.chosen { stroke: var(--accent); }
.ring.pointed { stroke: var(--ink); stroke-dasharray: 4 3; }
.tip { fill: var(--ink); stroke: var(--paper); stroke-width: 5; stroke-linejoin: round; paint-order: stroke; font-weight: 600; font-size: 0.875rem; pointer-events: none; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; margin-top: 0.6rem; font-size: 0.875rem; }
.legend svg, .members svg { width: 1rem; height: 1rem; flex: none; }
.help { margin-top: 0.5rem; color: var(--muted); font-size: 0.875rem; }
.title { font-weight: 600; }
.prototype, .caption, .missing { color: var(--muted); font-size: 0.875rem; }
.report { overflow-wrap: anywhere; }
figure canvas { max-width: 20rem; }
.members { list-style: none; margin: 0; padding: 0; }
.members li { display: flex; align-items: center; gap: 0.45rem; }`;

/** One shape a finding, all of about the same area, around the origin. */
const SHAPES = [
  "M-4.8 0A4.8 4.8 0 1 0 4.8 0A4.8 4.8 0 1 0 -4.8 0Z",
  "M-4.3 -4.3H4.3V4.3H-4.3Z",
  "M0 -6.4L5.7 3.6H-5.7Z",
  "M0 -6.1L6.1 0L0 6.1L-6.1 0Z",
  "M0 6.4L5.7 -3.6H-5.7Z",
  "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
  "M-2.7 -4.7H2.7L5.4 0L2.7 4.7H-2.7L-5.4 0Z",
];
const STAR = Array.from({ length: 10 }, (_, k) => {
  const [radius, angle] = [k % 2 ? 4.2 : 9.5, (k * Math.PI) / 5];
  return `${radius * Math.sin(angle)} ${-radius * Math.cos(angle)}`;
}).join("L");

/** Free space around the outermost points, how near the pointer must come, and more than any distance; in CSS pixels. */
const [MARGIN, REACH, FAR] = [18, 18, 1e6];

/** An element of SVG. */
function drawn(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** The mark of a finding. A hollow one has a stroke of its colour in the ink's, so that it stands out from any ground. */
function markOf({ shape, colour, hollow }) {
  const group = drawn("g", { class: "mark" });
  if (!hollow) group.append(drawn("path", { d: shape, fill: colour }));
  else group.append(drawn("path", { d: shape, class: "outer" }), drawn("path", { d: shape, class: "inner", stroke: colour }));
  return group;
}

/** The mark of a finding as a picture in a line of text. */
function swatch(finding) {
  const svg = drawn("svg", { viewBox: "-8 -8 16 16", "aria-hidden": true });
  svg.append(markOf(finding));
  return svg;
}

function render(widget) {
  const { model } = widget;
  const find = card(widget, STYLE, MARKUP);
  const [plane, map, canvas, legend] = [".plane", ".map", "canvas", ".legend"].map(find);
  const { announce, silence } = announcer(find("[role=status]"));
  const save = saver(model);

  const studies = model.get("studies");
  const prototypes = model.get("prototypes");
  const findings = model.get("findings").map((finding, k) => ({ ...finding, shape: SHAPES[k % SHAPES.length] }));
  const count = (some) => findings.map((_, k) => some.filter(({ finding }) => finding === k).length);
  const membersOf = (number) => studies.filter(({ prototype }) => prototype === number);

  // Studies first, then prototypes: `at` is where the point lies on the map, in CSS pixels.
  const points = [
    ...studies.map((study) => ({ ...study, name: `${study.title}: ${findings[study.finding].name}`, star: false })),
    ...prototypes.map((prototype) => ({ ...prototype, star: true })),
  ];
  let pointed = null; // the number of the point under the pointer or the keyboard
  let radiograph = null; // of the study selected

  points.forEach((point, number) => {
    point.element = drawn("g", { role: "option", "aria-label": point.name, "data-point": number });
    point.element.append(point.star ? drawn("path", { class: "star", d: `M${STAR}Z` }) : markOf(findings[point.finding]));
    if (!point.star && point.prototype !== null) {
      point.link = find(".links").appendChild(drawn("line", {}));
    }
    find(".points").append(point.element);
  });

  count(studies).forEach((number, k) => {
    const label = document.createElement("label");
    label.className = "toggle";
    const box = Object.assign(document.createElement("input"), { type: "checkbox", value: k });
    box.addEventListener("change", () => {
      const others = model.get("left_out").filter((one) => one !== k);
      save("left_out", box.checked ? others : [...others, k]);
    });
    label.append(box, swatch(findings[k]), `${findings[k].name} (${number})`);
    legend.append(label);
  });
  if (prototypes.length) {
    const label = document.createElement("label");
    label.className = "toggle links-toggle";
    const box = Object.assign(document.createElement("input"), { type: "checkbox" });
    box.addEventListener("change", () => save("show_links", box.checked));
    label.append(box, "lines to prototypes");
    legend.append(label);
  }

  const selection = () => Math.min(model.get("selected"), points.length - 1);
  const visible = (point) => point.star || !model.get("left_out").includes(point.finding);

  /** Which points are there, and which of them the Tab key reaches. */
  function showPoints() {
    const selected = selection();
    if (pointed !== null && !visible(points[pointed])) pointed = null;
    const entry = [pointed, selected, points.findIndex(visible)].find((k) => k !== null && points[k] && visible(points[k]));
    points.forEach((point, number) => {
      point.element.style.display = visible(point) ? "" : "none";
      point.element.setAttribute("tabindex", number === entry ? 0 : -1);
      point.element.setAttribute("aria-selected", number === selected);
      const own = number === selected || point.prototype === selected - studies.length;
      point.link?.classList.toggle("own", own);
      if (point.link) point.link.style.display = visible(point) && (own || model.get("show_links")) ? "" : "none";
    });
    for (const box of legend.querySelectorAll("input")) {
      box.checked = box.value === "on" ? model.get("show_links") : !model.get("left_out").includes(Number(box.value));
    }
    showRings();
  }

  /** Rings around the point selected and the one pointed at, and the latter's name. */
  function showRings() {
    for (const [ring, number] of [["chosen", selection()], ["pointed", pointed]]) {
      const point = points[number];
      const shown = point && visible(point) && point.at;
      find(`.ring.${ring}`).style.display = shown ? "" : "none";
      if (shown) find(`.ring.${ring}`).setAttribute("transform", `translate(${point.at})`);
    }
    const tip = find(".tip");
    tip.textContent = pointed === null ? "" : points[pointed].name;
    if (pointed === null || !points[pointed].at) return;
    const [x, y] = points[pointed].at;
    const half = tip.getComputedTextLength() / 2 + 4;
    const centre = Math.max(half, Math.min(map.clientWidth - half, x));
    tip.setAttribute("x", centre - half + 4);
    tip.setAttribute("y", y < 36 ? y + 28 : y - 16);
  }

  /** Lays the points out in the width there is; both axes have one scale. */
  function layOut() {
    const width = map.clientWidth;
    if (!width) return; // the observer of its size calls again
    const [low, high] = ["x", "y"].reduce(
      ([low, high], axis) => {
        const values = points.map((point) => point[axis]);
        return [[...low, Math.min(...values)], [...high, Math.max(...values)]];
      },
      [[], []],
    );
    const [across, up] = [high[0] - low[0] || 1, high[1] - low[1] || 1];
    const height = Math.round(width * Math.min(1, Math.max(0.5, up / across)));
    const scale = Math.min((width - 2 * MARGIN) / across, (height - 2 * MARGIN) / up);
    map.style.height = `${height}px`;
    map.setAttribute("viewBox", `0 0 ${width} ${height}`);
    for (const point of points) {
      point.at = [
        width / 2 + scale * (point.x - (low[0] + high[0]) / 2),
        height / 2 - scale * (point.y - (low[1] + high[1]) / 2),
      ];
      point.element.setAttribute("transform", `translate(${point.at})`);
    }
    for (const { link, at, prototype } of points) {
      if (!link) continue;
      const [x2, y2] = points[studies.length + prototype].at;
      for (const [key, value] of Object.entries({ x1: at[0], y1: at[1], x2, y2 })) link.setAttribute(key, value);
    }
    showRings();
    draw();
  }

  /** The panel: the study selected, or the prototype. */
  function showSelected() {
    const point = points[selection()];
    const members = point.star ? membersOf(selection() - studies.length) : [];
    const counts = count(members);
    const assigned = prototypes[point.prototype];
    find(".title").textContent = point.star ? point.name : point.title;
    find(".finding").textContent = point.star ? `${members.length} of ${studies.length} studies` : findings[point.finding].name;
    find(".prototype").textContent = assigned ? `Assigned to ${assigned.name}` : "";
    find(".text").hidden = point.star || !point.report;
    find(".report").textContent = point.report ?? "";
    find("figure").hidden = point.star;
    find(".missing").hidden = Boolean(point.picture);
    canvas.hidden = !point.picture;
    find(".members").replaceChildren(
      ...findings.flatMap((finding, k) => {
        if (!counts[k]) return [];
        const line = document.createElement("li");
        line.append(swatch(finding), `${finding.name}: ${counts[k]}`);
        return [line];
      }),
    );
    radiograph = point.picture && picture(point.picture.png, draw);
    if (point.picture) {
      canvas.style.aspectRatio = `${point.picture.width} / ${point.picture.height}`;
      canvas.setAttribute("aria-label", `Chest radiograph of ${point.title}, ${findings[point.finding].name}.`);
    }
    showPoints();
    draw();
  }

  function draw() {
    if (!radiograph) return;
    const { width, height } = points[selection()].picture;
    const context = prepared(canvas, width, height);
    if (!context) return; // the observer of its size calls again
    context.drawImage(radiograph, 0, 0);
    sides(context, width, model.get("colours").casing, width / canvas.clientWidth);
  }

  function tell() {
    const { star, report } = points[selection()];
    const members = [...find(".members").children].map((line) => line.textContent).join(", ");
    const details = star ? `${find(".finding").textContent}${members && `; ${members}`}` : report ? `Report: ${report}` : "";
    announce(`${points[selection()].name}. ${details}`);
  }

  // The plane listens, and not the SVG: Chromium lets the Tab key stop at an SVG element that listens for focus.
  // Choosing: what the pointer comes near to is named, and so is what the keyboard stands on.
  const point = (number) => {
    if (pointed === number) return;
    pointed = number;
    showPoints();
  };
  const nearest = ({ clientX, clientY }) => {
    const { left, top } = map.getBoundingClientRect();
    const distance = ({ at }) => Math.hypot(at[0] + map.clientLeft + left - clientX, at[1] + map.clientTop + top - clientY);
    return bestOf((candidate) => (distance(candidate) <= REACH ? distance(candidate) : Infinity));
  };
  /** The number of the visible point with the smallest finite penalty, or null. */
  const bestOf = (penalty) => {
    let [best, least] = [null, Infinity];
    points.forEach((candidate, number) => {
      const amount = visible(candidate) ? penalty(candidate) : Infinity;
      if (amount < least) [best, least] = [number, amount];
    });
    return best;
  };
  plane.addEventListener("pointermove", (event) => point(nearest(event)));
  plane.addEventListener("pointerleave", () => point(null));
  plane.addEventListener("click", (event) => {
    const number = nearest(event);
    if (number !== null) save("selected", number);
  });

  const numberOf = (event) => Number(event.target.closest("[data-point]")?.dataset.point ?? NaN);
  // Towards a side lies what is within 45 degrees of it, where the way beside counts twice; where nothing is, what is
  // least beside.
  const towards = (number, [right, down]) => {
    const [x, y] = points[number].at;
    return bestOf(({ at }) => {
      const along = (at[0] - x) * right + (at[1] - y) * down;
      const beside = Math.abs((at[0] - x) * down) + Math.abs((at[1] - y) * right);
      if (along <= 0) return Infinity;
      return beside <= along ? along + 2 * beside : FAR + beside / along;
    });
  };
  const inOrder = (number, step) => {
    for (let k = number + step; points[k]; k += step) if (visible(points[k])) return k;
    return null;
  };
  const moves = {
    ArrowRight: (k) => towards(k, [1, 0]),
    ArrowLeft: (k) => towards(k, [-1, 0]),
    ArrowDown: (k) => towards(k, [0, 1]),
    ArrowUp: (k) => towards(k, [0, -1]),
    PageDown: (k) => inOrder(k, 1),
    PageUp: (k) => inOrder(k, -1),
    Home: () => inOrder(-1, 1),
    End: () => inOrder(points.length, -1),
  };
  plane.addEventListener("focusin", (event) => point(numberOf(event)));
  plane.addEventListener("focusout", () => point(null));
  plane.addEventListener("keydown", (event) => {
    const number = numberOf(event);
    if (event.key in moves) points[moves[event.key](number)]?.element.focus();
    else if (event.key === "Enter" || event.key === " ") save("selected", number);
    else return;
    event.preventDefault();
  });

  showSelected();
  const end = alive(
    model,
    map,
    {
      "change:selected": () => (showSelected(), tell()),
      "change:left_out": showPoints,
      "change:show_links": showPoints,
    },
    layOut,
  );
  return () => (end(), silence());
}

export default { render };
