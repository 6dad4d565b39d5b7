/** The charts of the page. */
export const CHARTS = {
  "rate-by-waiting": { title: "Tasks a second by how many wait", x: "tasks waiting", y: "tasks/s" },
  "rate-by-vos": { title: "Drain by the number of VOs", x: "VOs", y: "tasks/s" },
  "rate-by-workers": { title: "Drain by the number of worker processes", x: "workers", y: "tasks/s" },
  "latency-by-workers": { title: "Idle start latency by the number of workers", x: "workers", y: "ms" },
} as const satisfies Record<string, { title: string; x: string; y: string }>;
export type ChartName = keyof typeof CHARTS;

/** What one contender reached at one thing. */
export interface Figure {
  readonly contender: string;
  /** E.g. `drain` or `p99`. */
  readonly what: string;
  readonly unit: "tasks/s" | "ms" | "MB" | "requests/s" | "% of a core" | "";
  /** One value a round. */
  readonly rounds: readonly number[];
}

/** One comparison that must hold. Exactly one of the bounds is there. */
export interface Target {
  readonly name: string;
  readonly ratio: number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** A line of a chart: how one thing grows with another. */
export interface Line {
  /** The chart it belongs to. */
  readonly chart: ChartName;
  /** As the legend calls it. */
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** One row of the table. */
export interface RowReport {
  readonly row: string;
  readonly title: string;
  /** How durable what was acknowledged is, contender by contender. */
  readonly durability: string;
  readonly figures: readonly Figure[];
  readonly targets: readonly Target[];
  /** Lines of charts, where the row draws any. */
  readonly lines?: readonly Line[];
  /** What a reader must know beside the figures, e.g. that a peer could not be had. */
  readonly notes: readonly string[];
}

export function isMet({ ratio, atLeast, atMost }: Target): boolean {
  return ratio >= (atLeast ?? Number.NEGATIVE_INFINITY) && ratio <= (atMost ?? Number.POSITIVE_INFINITY);
}
