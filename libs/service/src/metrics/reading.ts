import { type Metric, printLabels, sample } from "./exposition.ts";
import { OTHER } from "./family.ts";

/** One value of a reading, and the values of its labels. */
export interface ReadValue {
  readonly labels: readonly string[];
  readonly value: number;
}

/** A gauge whose values come from one look at a whole system, as what waits of each task. */
export interface Reading {
  /** Replaces all values. They are shown for `validMs`, and then no more: another process may show them now. */
  show(values: readonly ReadValue[], validMs: number): void;
}

/** Most values that are shown. The sum of the smallest ones beyond it stands under `other`. */
const MAX_VALUES = 3_000;

/** Where there are too many, adds the smallest ones to one value. */
function bounded(values: readonly ReadValue[]): readonly ReadValue[] {
  if (values.length <= MAX_VALUES) return values;
  const sorted = values.toSorted((a, b) => b.value - a.value);
  const rest = sorted.slice(MAX_VALUES - 1);
  const labels = (rest[0]?.labels ?? []).map(() => OTHER);
  return [...sorted.slice(0, MAX_VALUES - 1), { labels, value: rest.reduce((sum, { value }) => sum + value, 0) }];
}

/** Makes a reading. It shows nothing at first. */
export function createReading({ name, labels: names = [] }: Metric): Reading & { lines(): string[] } {
  let shown: readonly ReadValue[] = [];
  let untilMs = Number.NEGATIVE_INFINITY;
  return {
    show(values, validMs) {
      shown = bounded(values);
      untilMs = performance.now() + validMs;
    },
    lines() {
      if (performance.now() > untilMs) shown = [];
      return shown.map(({ labels, value }) => sample(name, printLabels(names, labels), value));
    },
  };
}
