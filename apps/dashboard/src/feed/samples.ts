import { INTERVAL_MS, INTERVALS } from "./series.ts";

/** Greatest number of names that are told apart. All others count as one. */
const NAMES = 6;
/** Name of all others. */
export const OTHERS = "others";

/** Figures by name at one time. */
export interface Sample {
  /** ms since the epoch. */
  readonly atMs: number;
  readonly figures: ReadonlyMap<string, number>;
}

/** The last half hour of figures that are looked at, and not told. */
export interface Samples {
  add(sample: Sample): void;
  /** Oldest first. At most one of each interval. */
  all(): readonly Sample[];
  /** The names with the most in the whole half hour, most first; the last is {@linkcode OTHERS} where there are more. */
  names(): readonly string[];
}

/** Keeps samples. A sample of the same interval replaces the one before it. */
export function keepSamples(): Samples {
  let kept: Sample[] = [];
  const interval = ({ atMs }: Sample) => Math.floor(atMs / INTERVAL_MS);
  return {
    add(sample) {
      const last = kept.at(-1);
      if (last !== undefined && interval(last) === interval(sample)) kept.pop();
      kept.push(sample);
      const oldest = interval(sample) - INTERVALS;
      kept = kept.filter((each) => interval(each) > oldest);
    },
    all: () => kept,
    names() {
      const sums = new Map<string, number>();
      for (const { figures } of kept) {
        for (const [name, figure] of figures) sums.set(name, (sums.get(name) ?? 0) + figure);
      }
      const sorted = [...sums]
        .filter(([, sum]) => sum > 0)
        .sort(([, a], [, b]) => b - a)
        .map(([name]) => name);
      return sorted.length > NAMES ? [...sorted.slice(0, NAMES - 1), OTHERS] : sorted;
    },
  };
}

/** The figure of a name in a sample, where `names` are all that are told apart. */
export function figureOf({ figures }: Sample, name: string, names: readonly string[]): number {
  if (name !== OTHERS) return figures.get(name) ?? 0;
  let sum = 0;
  for (const [each, figure] of figures) if (!names.includes(each)) sum += figure;
  return sum;
}
