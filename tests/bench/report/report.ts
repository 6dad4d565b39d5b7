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

/** One row of the table. */
export interface RowReport {
  readonly row: string;
  readonly title: string;
  /** How durable what was acknowledged is, contender by contender. */
  readonly durability: string;
  readonly figures: readonly Figure[];
  readonly targets: readonly Target[];
  /** What a reader must know beside the figures, e.g. that a peer could not be had. */
  readonly notes: readonly string[];
}

export function isMet({ ratio, atLeast, atMost }: Target): boolean {
  return ratio >= (atLeast ?? Number.NEGATIVE_INFINITY) && ratio <= (atMost ?? Number.POSITIVE_INFINITY);
}
