// The rules of `cxrtutor.data.mentions`, which hands over its patterns; function by function as they stand there.

/** A function from a sentence to its mentions and the scopes of its cues, positions in letters. */
function sentenceReader({ patterns, findings, cues, farthest, sideless }) {
  const compiled = Object.fromEntries(Object.entries(patterns).map(([name, source]) => [name, new RegExp(source, "g")]));

  /** All matches within text[from, to), where what lies before `from` may still be looked back at. */
  function all(name, text, from = 0, to = text.length) {
    const [pattern, part, found] = [compiled[name], text.slice(0, to), []];
    pattern.lastIndex = from;
    for (let match; (match = pattern.exec(part)); ) found.push(match);
    return found;
  }

  function first(name, text, from = 0, to = text.length) {
    compiled[name].lastIndex = from;
    return compiled[name].exec(text.slice(0, to));
  }

  const endOf = (match) => match.index + match[0].length;
  const groupOf = (match) => Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
  const commaAfter = (text, from, to) => { const at = text.indexOf(",", from); return at < to ? at : -1; };
  const commaBefore = (text, from, to) => { const at = to > from ? text.lastIndexOf(",", to - 1) : -1; return at >= from ? at : -1; };

  function goesOn(item, rest) {
    const cue = first("cue", item);
    if (cue && /^ *$/.test(item.slice(0, cue.index))) return false;
    const joined = first("list", rest);
    const verb = first("verb", joined ? rest : item);
    if (joined) return !verb || verb.index > joined.index;
    const thought = first("newThought", item);
    return !verb && !(thought && thought.index === 0);
  }

  function reach(text, start) {
    const limit = Math.min(text.length, start + farthest);
    const end = first("stop", text, start, limit)?.index ?? limit;
    let comma = commaAfter(text, start, end);
    while (comma >= 0) {
      const after = commaAfter(text, comma + 1, end);
      const item = text.slice(comma + 1, after < 0 ? end : after);
      if (!(first("adjective", text, start, comma) || goesOn(item, text.slice(comma + 1, end)))) return comma;
      comma = after;
    }
    return end;
  }

  function reachBack(text, end) {
    const limit = Math.max(0, end - farthest);
    const start = Math.max(limit, ...all("stop", text, limit, end).map(endOf));
    let comma = commaBefore(text, start, end);
    while (comma >= 0) {
      const before = Math.max(commaBefore(text, start, comma), start - 1);
      if (!first("joined", text.slice(comma, end)) || first("verb", text, before + 1, comma)) return comma;
      comma = before >= start ? before : -1;
    }
    return start;
  }

  function scopesOf(text) {
    const scopes = [];
    for (const match of all("cue", text)) {
      const [kind, where] = cues[Number(groupOf(match).slice(1))].split(" ");
      const [start, end] = [match.index, endOf(match)];
      const cue = { kind, cue: [start, end] };
      if (where === "after") scopes.push({ ...cue, start, end: reach(text, end) });
      else if (where === "before") scopes.push({ ...cue, start: reachBack(text, start), end });
      if (["versus", "vs"].includes(match[0])) scopes.push({ ...cue, start: reachBack(text, start), end: reach(text, end) });
    }
    return scopes;
  }

  function sides(text) {
    const named = new Set(all("side", text.replace(compiled.larger, "")).map(groupOf));
    return named.size > 1 ? "both" : [...named][0] ?? null;
  }

  function nearSide(text, spans, k) {
    const [start, end] = spans[k];
    const [from, to] = [k ? spans[k - 1][1] : 0, k + 1 < spans.length ? spans[k + 1][0] : text.length];
    const begins = Math.max(from, ...all("part", text, from, start).map(endOf));
    const ends = first("part", text, end, to)?.index ?? to;
    return sides(text.slice(begins, end)) ?? sides(text.slice(end, ends));
  }

  return (sentence) => {
    const text = sentence.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    const terms = all("term", text);
    const spans = terms.map((match) => [match.index, endOf(match)]);
    const scopes = scopesOf(text);
    const mentions = terms.map((match, k) => {
      const said = new Set(scopes.filter(({ start, end }) => start < spans[k][1] && spans[k][1] <= end).map(({ kind }) => kind));
      const finding = findings[Number(groupOf(match).slice(1))];
      const negated = said.has("denied") || said.has("unlikely");
      const uncertain = said.has("doubted") || said.has("unlikely");
      const side = sideless.includes(finding) ? null : nearSide(text, spans, k) ?? (negated ? null : sides(text));
      return { finding, span: spans[k], negated, uncertain, side };
    });
    return { mentions, scopes };
  };
}
