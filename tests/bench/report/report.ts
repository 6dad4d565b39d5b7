/** The charts of the page. */
export const CHARTS = {
  "rate-by-waiting": { title: "Tasks a second by how many wait", x: "tasks waiting", y: "tasks/s" },
  "rate-by-vos": { title: "Drain by the number of VOs", x: "VOs", y: "tasks/s" },
  "rate-by-workers": { title: "Drain by the number of worker processes", x: "workers", y: "tasks/s" },
  "latency-by-workers": { title: "Idle start latency by the number of workers", x: "workers", y: "ms" },
} as const satisfies Record<string, { title: string; x: string; y: string }>;
export type ChartName = keyof typeof CHARTS;

/** What one contender reached in one measurement. */
export interface Figure {
  readonly contender: string;
  /** E.g. `drain` or `p99`. */
  readonly what: string;
  readonly unit: "tasks/s" | "ms" | "MB" | "requests/s" | "% of a core" | "";
  /** One value for each round. */
  readonly rounds: readonly number[];
}

/** One comparison that must hold. It has exactly one of the two bounds. */
export interface Target {
  readonly name: string;
  readonly ratio: number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** A line of a chart. It shows how one value grows with another. */
export interface Line {
  /** The chart it belongs to. */
  readonly chart: ChartName;
  /** Name in the legend. */
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** One row of the table. */
export interface RowReport {
  readonly row: string;
  readonly title: string;
  /** How durable acknowledged data is, for each contender. */
  readonly durability: string;
  readonly figures: readonly Figure[];
  readonly targets: readonly Target[];
  /** Lines for charts, if the row draws any. */
  readonly lines?: readonly Line[];
  /** Facts that a reader needs besides the figures, e.g. that a peer could not be started. */
  readonly notes: readonly string[];
}

export function isMet({ ratio, atLeast, atMost }: Target): boolean {
  return ratio >= (atLeast ?? Number.NEGATIVE_INFINITY) && ratio <= (atMost ?? Number.POSITIVE_INFINITY);
}
