const WINDOW = 1_000;

/** Jain's index of fairness: 1 where all shares are equal, 1/n where one of n has everything. */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share * share, 0);
  return squares === 0 ? Number.NaN : (sum * sum) / (shares.length * squares);
}

function countsOf(order: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const vo of order) counts.set(vo, (counts.get(vo) ?? 0) + 1);
  return counts;
}

/**
 * Jain's index over the VOs within each 1,000 tasks. `order` is the VO of each task of a drain, in the order in which the tasks ran.
 *
 * It ends with the first thousand after which a VO has nothing left: others must take its share there, however fair the worker is.
 */
export function fairnessOf(order: readonly string[]): readonly number[] {
  const left = countsOf(order);
  const windows: number[] = [];
  for (let at = 0; at + WINDOW <= order.length; at += WINDOW) {
    const counts = countsOf(order.slice(at, at + WINDOW));
    for (const [vo, count] of counts) left.set(vo, (left.get(vo) ?? 0) - count);
    if ([...left.values()].some((count) => count === 0)) break;
    windows.push(jain([...left.keys()].map((vo) => counts.get(vo) ?? 0)));
  }
  return windows;
}
