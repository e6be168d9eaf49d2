// DICOM's window (PS3.3 C.11.2.1), as `cxrtutor.data.dicom` has it, and what it does to the values of a film.

/** What a stored value is shown as, in [0, 1]; `inverted` where low values are bright (MONOCHROME1). */
function windowed(value, { centre, width, function: kind, inverted }) {
  const share = kind === "SIGMOID" ? 1 / (1 + Math.exp((-4 * (value - centre)) / width)) : ramp(value, centre, width, kind);
  return inverted ? 1 - share : share;
}

/** LINEAR counts the centres of pixels, so its ramp is one value shorter and half a value lower than LINEAR_EXACT's. */
function ramp(value, centre, width, kind) {
  const [middle, length] = kind === "LINEAR" ? [centre - 0.5, Math.max(width - 1, Number.MIN_VALUE)] : [centre, width];
  return Math.min(1, Math.max(0, (value - middle) / length + 0.5));
}

/** The grey, 0 to 255, of each value from the film's lowest to its highest. */
function greysOf({ lowest, highest }, window) {
  return Uint8Array.from({ length: highest - lowest + 1 }, (_, k) => Math.round(255 * windowed(lowest + k, window)));
}

/** How many pixels have each value, from the lowest to the highest; `codes` are values less the lowest. */
function countsOf(codes, { lowest, highest }) {
  const counts = new Uint32Array(highest - lowest + 1);
  for (const code of codes) counts[code]++;
  return counts;
}

/** Shares of the pixels that are shown quite black and quite white, and how many greys of 256 are seen at all. */
function lostIn(greys, counts) {
  let [black, white, all] = [0, 0, 0];
  const seen = new Set();
  counts.forEach((count, k) => {
    if (!count) return;
    all += count;
    seen.add(greys[k]);
    if (greys[k] === 0) black += count;
    if (greys[k] === 255) white += count;
  });
  return { black: black / all, white: white / all, greys: seen.size };
}
