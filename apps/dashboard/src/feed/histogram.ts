/** Factor between the bounds of two bins: a quantile is wrong by an eighth at most. */
const FACTOR = 1.25;
/** Upper bound of the first bin, ms. */
const FIRST_MS = 1;
/** Number of bins. The last one's bound is above an hour. */
const BINS = 70;

/** Counts of lengths of time, in bins that grow. */
export interface Histogram {
  add(ms: number): void;
  readonly counts: readonly number[];
}

function binOf(ms: number): number {
  if (!(ms > FIRST_MS)) return 0;
  return Math.min(BINS - 1, Math.ceil(Math.log(ms / FIRST_MS) / Math.log(FACTOR)));
}

/** Makes an empty histogram. */
export function createHistogram(): Histogram {
  const counts = new Array<number>(BINS).fill(0);
  return {
    counts,
    add(ms) {
      const bin = binOf(ms);
      counts[bin] = (counts[bin] ?? 0) + 1;
    },
  };
}

/** The length that this share of all is not above, ms; null where nothing was counted. */
export function quantile(histograms: readonly Pick<Histogram, "counts">[], share: number): number | null {
  const sums = Array.from({ length: BINS }, (_, bin) =>
    histograms.reduce((sum, { counts }) => sum + (counts[bin] ?? 0), 0),
  );
  const total = sums.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = share * total;
  for (const [bin, count] of sums.entries()) {
    left -= count;
    if (left <= 0) return FIRST_MS * FACTOR ** bin;
  }
  return FIRST_MS * FACTOR ** (BINS - 1);
}
