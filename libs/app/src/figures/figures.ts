import type { Metric } from "@muster/service";

/** One value of a gauge that tells of the whole system. */
export interface Figure {
  /** Name of its metric. */
  readonly metric: string;
  /** Values of the metric's labels, in their order. */
  readonly labels: readonly string[];
  readonly value: number;
}

/**
 * Gauges that tell of the whole system, and the look that they come from. One scheduler looks and shows them, so that no figure comes from many
 * processes and no server is asked by each of them.
 *
 * Label values must be few: name what is configured, and count all else under `other`.
 */
export interface FigureSource {
  /** What is looked at, for the log: `the queues`. */
  readonly what: string;
  /** The gauges that it sets. Their names are unique in an app. */
  readonly metrics: readonly Metric[];
  /** Looks. Figures that it does not return are shown no more. */
  read(): Promise<readonly Figure[]>;
}
