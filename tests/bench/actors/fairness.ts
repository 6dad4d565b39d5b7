const WINDOW = 1_000;

/** Jain's index of fairness: 1 where all shares are equal, 1/n where one of n has everything. */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share * share, 0);
  return squares === 0 ? Number.NaN : (sum * sum) / (shares.length * squares);
}

/** Jain's index over the VOs within each 1,000 tasks. `order` is the VO of each task, in the order in which the tasks ran. */
export function fairnessOf(order: readonly string[]): readonly number[] {
  const vos = new Set(order);
  const windows: number[] = [];
  for (let at = 0; at + WINDOW <= order.length; at += WINDOW) {
    const counts = new Map([...vos].map((vo) => [vo, 0]));
    for (const vo of order.slice(at, at + WINDOW)) counts.set(vo, (counts.get(vo) ?? 0) + 1);
    windows.push(jain([...counts.values()]));
  }
  return windows;
}
