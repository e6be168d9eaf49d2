// The rules of the reader study: who sees what, what a mark covers, and what is estimated from the marks.
// They are those of `cxrtutor.evaluation.reading_set` and `reader_study`; tests compare the two on the same answers.

const [RIGHT, WRONG, NO_MAP] = ["right", "wrong", "none"];
const [WRONG_SHARE, BARE_SHARE] = [4, 4];

/** Numbers in [0, 1) by mulberry32. */
function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The items in another order (Fisher and Yates, from the end). */
function shuffled(items, draw) {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(draw() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/** What the reader with this seed sees, in order: every film bare, then every film again under its map. */
function planOf(seed, ids) {
  const draw = uniforms(seed);
  const order = shuffled(ids, draw);
  const [wrong, bare] = [WRONG_SHARE, BARE_SHARE].map((share) => Math.floor(ids.length / share));
  const kinds = shuffled(ids.map((_, k) => (k < wrong ? WRONG : k < wrong + bare ? NO_MAP : RIGHT)), draw);
  const under = Object.fromEntries(ids.map((id, k) => [id, kinds[k]]));
  const half = Math.floor(ids.length / 2);
  const again = [...shuffled(order.slice(0, half), draw), ...shuffled(order.slice(half), draw)];
  return [
    ...order.map((film) => ({ round: 1, film, map: NO_MAP })),
    ...again.map((film) => ({ round: 2, film, map: under[film] })),
  ];
}

/** 1 for the pixels whose centres an ellipse holds, worked out in whole half pixels; nothing for no mark. */
function covered(mark, width, height) {
  const mask = new Uint8Array(width * height);
  if (!mark) return mask;
  const [x, y, rx, ry] = [mark.x, mark.y, mark.rx, mark.ry].map((value) => Math.round(2 * value));
  for (let row = 0; row < height; row++) {
    const down = ((2 * row + 1 - y) * rx) ** 2;
    for (let column = 0; column < width; column++) {
      if (((2 * column + 1 - x) * ry) ** 2 + down <= (rx * ry) ** 2) mask[row * width + column] = 1;
    }
  }
  return mask;
}

/** The same picture, seen in a mirror. */
function mirrored(mask, width) {
  return mask.map((_, i) => mask[i - (i % width) + (width - 1 - (i % width))]);
}

/** How many pixels two masks share. */
const shared = (one, other) => one.reduce((sum, inside, i) => sum + (inside & other[i]), 0);

function iouOf(mark, truth) {
  const both = shared(mark, truth);
  return both / (shared(mark, mark) + shared(truth, truth) - both);
}

/** The two readings of a film. */
const readingsOf = (id, readings) => [1, 2].map((round) => readings.find((one) => one.round === round && one.film === id));

/** What one reader's readings say of one film, by the names of the estimates. */
function effectsOf({ id, width, height, truth, hot }, readings) {
  const [first, second] = readingsOf(id, readings);
  const [before, after] = [first, second].map(({ mark }) => covered(mark, width, height));
  const [bare, aided] = [iouOf(before, truth), iouOf(after, truth)];
  if (second.map === RIGHT) return { unaided: bare, "right maps": aided, benefit: aided - bare };
  if (second.map === NO_MAP) return { unaided: bare, "bare again": aided, "second look": aided - bare };
  const wrong = mirrored(hot, width);
  const lured = (mark) => Number(shared(mark, wrong) > shared(mark, truth));
  return {
    unaided: bare, "wrong maps": aided, "automation bias": bare - aided,
    followed: lured(after), "there anyway": lured(before),
  };
}

/** The share `at` of sorted values lies below this; between two of them in proportion. */
function quantile(sorted, at) {
  const place = at * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** The mean of values with its 95 % interval; `draws` says row by row how often each is taken. */
function intervalOf(values, draws) {
  const number = values.length;
  const mean = (times) => values.reduce((sum, value, k) => sum + times(k) * value, 0) / number;
  const means = Float64Array.from({ length: draws.length / number }, (_, row) => mean((k) => draws[row * number + k]));
  means.sort();
  return { value: mean(() => 1), low: quantile(means, 0.025), high: quantile(means, 0.975) };
}

/** Every estimate with its interval. `draws` has a table for each number of films that one is made of. */
function estimatesOf(films, readings, draws, names) {
  const inOrder = [...films].sort((one, other) => (one.patient < other.patient ? -1 : 1)); // as Python draws patients
  const effects = inOrder.map((film) => effectsOf(film, readings));
  return Object.fromEntries(
    names.map((name) => {
      const values = effects.filter((one) => name in one).map((one) => one[name]);
      return [name, intervalOf(values, draws[values.length])];
    }),
  );
}

/** Whether readings are the first ones of a plan, with marks that are marks. */
function follows(readings, plan) {
  const isMark = (mark) =>
    mark === null ||
    [["x", 0], ["y", 0], ["rx", 1], ["ry", 1]].every(([name, least]) => Number.isInteger(2 * mark[name]) && mark[name] >= least);
  const isPlanned = (one, k) => ["round", "film", "map"].every((name) => one[name] === plan[k][name]);
  return (
    readings.length <= plan.length &&
    readings.every((one, k) => isPlanned(one, k) && isMark(one.mark) && one.seconds >= 0)
  );
}
