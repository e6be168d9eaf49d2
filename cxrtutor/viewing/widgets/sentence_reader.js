// A sentence that the reader types, and what the rules make of it: names, cues, and how far a cue reaches.
// The state lives in the model (a kernel's or a page's); every change of it comes back as an event and is drawn.

const MARKUP = `
<div class="card" role="group" aria-label="What a sentence says">
  <label class="field"><span>Type one sentence</span><textarea rows="2" spellcheck="false"></textarea></label>
  <div class="examples" role="group" aria-label="Sentences to try"></div>
  <p class="read" aria-hidden="true"></p>
  <ul class="told"></ul>
  <p class="help">Bold: a cue. Shaded: as far as it reaches. Underlined: a name that the rules know.</p>
  <p class="hidden" role="status"></p>
</div>`;

const STYLE = `
.field { display: grid; gap: 0.3rem; }
textarea {
  width: 100%; padding: 0.5rem; font: inherit; color: var(--ink); background: var(--paper);
  border: 1px solid var(--muted); border-radius: 0.3rem; resize: vertical;
}
textarea:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.examples { display: flex; flex-wrap: wrap; gap: 0.4rem; margin: 0.6rem 0; }
button {
  padding: 0.25rem 0.6rem; font: inherit; font-size: 0.875rem; text-align: left; color: var(--ink); background: var(--paper);
  border: 1px solid var(--muted); border-radius: 0.3rem; cursor: pointer;
}
.read { margin: 0.9rem 0 0; font-size: 1.0625rem; line-height: 2; overflow-wrap: anywhere; white-space: pre-wrap; }
.read span { padding: 0.15rem 0; }
.read .scope { background: color-mix(in srgb, var(--muted) 22%, transparent); }
.read .cue { font-weight: 700; }
.read .name { border-bottom: 3px solid var(--kind); }
.told { display: grid; gap: 0.3rem; margin: 0.6rem 0 0; padding: 0; list-style: none; }
.told li { padding-left: 0.6rem; border-left: 0.35rem solid var(--kind); overflow-wrap: anywhere; }
.there { --kind: var(--is-there); }
.doubted { --kind: var(--is-doubted); }
.denied { --kind: var(--is-denied); }
.help { margin: 0.75rem 0 0; color: var(--muted); font-size: 0.875rem; }`;

const kindOf = ({ negated, uncertain }) => (negated ? "denied" : uncertain ? "doubted" : "there");

const SAID = { there: "is there", doubted: "is possible", denied: "is not there" };

/** One mention in words: "pleural effusion is not there (left)". */
function inWords(mention) {
  const doubt = mention.negated && mention.uncertain ? "is unlikely" : SAID[kindOf(mention)];
  return `${mention.finding} ${doubt}${mention.side ? ` (${mention.side === "both" ? "both sides" : mention.side})` : ""}`;
}

/** The pieces of a text between all borders, each with the classes that hold for it. */
function pieces(text, { mentions, scopes }) {
  const borders = new Set([0, text.length, ...mentions.flatMap(({ span }) => span)]);
  for (const { start, end, cue } of scopes) [start, end, ...cue].forEach((border) => borders.add(border));
  const sorted = [...borders].sort((a, b) => a - b);
  const within = (at, [start, end]) => start <= at && at < end;
  return sorted.slice(0, -1).map((at, k) => {
    const mention = mentions.find(({ span }) => within(at, span));
    const classes = mention ? ["name", kindOf(mention)] : [];
    if (scopes.some(({ start, end }) => within(at, [start, end]))) classes.push("scope");
    if (scopes.some(({ cue }) => within(at, cue))) classes.push("cue");
    return { text: text.slice(at, sorted[k + 1]), classes };
  });
}

function render(widget) {
  const { model } = widget;
  const find = card(widget, STYLE, MARKUP);
  const [field, read, told, status] = ["textarea", ".read", ".told", "[role=status]"].map(find);
  const readSentence = sentenceReader(model.get("rules"));

  function set(sentence) {
    model.set("sentence", sentence);
    model.save_changes();
  }

  function draw() {
    const sentence = model.get("sentence");
    if (field.value !== sentence) field.value = sentence;
    const found = readSentence(sentence);
    const spans = pieces(sentence, found).map(({ text, classes }) => {
      const span = document.createElement("span");
      [span.textContent, span.className] = [text, classes.join(" ")];
      return span;
    });
    read.replaceChildren(...spans);
    const words = found.mentions.map(inWords);
    const lines = (words.length ? words : ["It names nothing that the rules know."]).map((line, k) => {
      const item = document.createElement("li");
      [item.textContent, item.className] = [line, words.length ? kindOf(found.mentions[k]) : ""];
      return item;
    });
    told.replaceChildren(...lines);
    status.textContent = lines.map((line) => line.textContent).join("; ");
  }

  for (const example of model.get("examples")) {
    const button = find(".examples").appendChild(document.createElement("button"));
    [button.type, button.textContent] = ["button", example];
    button.addEventListener("click", () => set(example));
  }
  field.addEventListener("input", () => set(field.value));
  model.on("change:sentence", draw);
  draw();
  return () => model.off("change:sentence", draw);
}

export default { render };
