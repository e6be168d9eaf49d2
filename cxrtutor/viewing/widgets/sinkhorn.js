// Entropic optimal transport in the log domain: the iterations of `cxrtutor.alignment.sinkhorn`, in float64.

/**
 * A plan to be improved by one iteration after another.
 *
 * `cost` holds the rows one after another; `a` and `b` are the masses of rows and columns, some of them positive.
 * `relaxation` holds the prices of a marginal that differs, of rows and of columns, null where it is exact; `mass`, where
 * transport is partial, is the share to move.
 */
function sinkhorn({ cost, a, b, epsilon, relaxation = [null, null], mass = null }) {
  const [rows, columns] = [a.length, b.length];
  const scores = Float64Array.from(cost, (value) => -value / epsilon);
  const [logA, logB] = [a, b].map((side) => Float64Array.from(side, Math.log));
  const [totalA, totalB] = [a, b].map(sum);
  const moved = mass === null ? null : mass * Math.min(totalA, totalB);
  // The potentials over epsilon, and with the logarithm of the mass: what the other side sees.
  const [f, g] = [new Float64Array(rows), new Float64Array(columns)];
  const [logAF, logBG] = [logA.slice(), logB.slice()];
  let h = 0;

  /** The best potential of a side, given the logarithm of the mass that it would have without one. */
  function potential(reach, price) {
    if (moved !== null) return Math.min(0, -reach);
    return price === null ? -reach : (-price / (price + epsilon)) * reach;
  }

  /** Sets every potential once, rows first; returns the greatest change of one, over epsilon. */
  function iterate() {
    let change = 0;
    for (let i = 0; i < rows; i++) {
      if (!a[i]) continue;
      const next = potential(logSumExp(scores, i * columns, 1, logBG) + h, relaxation[0]);
      change = Math.max(change, Math.abs(next - f[i]));
      f[i] = next;
      logAF[i] = logA[i] + next;
    }
    let all = -Infinity;
    for (let j = 0; j < columns; j++) {
      if (!b[j]) continue;
      const reach = logSumExp(scores, j, columns, logAF);
      const next = potential(reach + h, relaxation[1]);
      change = Math.max(change, Math.abs(next - g[j]));
      g[j] = next;
      logBG[j] = logB[j] + next;
      all = logAddExp(all, reach + logBG[j]);
    }
    if (moved !== null) {
      const next = Math.log(moved) - all;
      change = Math.max(change, Math.abs(next - h));
      h = next;
    }
    return change;
  }

  /** The plan as it stands, its cost and the whole objective by its dual. */
  function result() {
    const plan = scores.map((score, k) => Math.exp(score + logAF[Math.floor(k / columns)] + logBG[k % columns] + h));
    const gain = (potentials, price) =>
      potentials.map((one) => (price === null ? epsilon * one : -price * Math.expm1((-epsilon * one) / price)));
    const value =
      dot(a, gain(f, relaxation[0])) + dot(b, gain(g, relaxation[1])) - epsilon * (sum(plan) - totalA * totalB);
    return { plan, cost: dot(plan, cost), value: moved === null ? value : value + epsilon * h * moved };
  }

  return { iterate, result };
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

const dot = (left, right) => left.reduce((total, value, k) => total + value * right[k], 0);

/** The logarithm of a sum of exponentials: of `values`, from `first` on in steps of `stride`, each with its addend. */
function logSumExp(values, first, stride, addends) {
  let highest = -Infinity;
  for (let k = 0; k < addends.length; k++) highest = Math.max(highest, values[first + k * stride] + addends[k]);
  let total = 0;
  for (let k = 0; k < addends.length; k++) total += Math.exp(values[first + k * stride] + addends[k] - highest);
  return highest + Math.log(total);
}

function logAddExp(left, right) {
  const highest = Math.max(left, right);
  return highest + Math.log(Math.exp(left - highest) + Math.exp(right - highest));
}
