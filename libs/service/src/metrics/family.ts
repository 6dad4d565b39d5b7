import { printLabels } from "./exposition.ts";

/** One metric with a meter for each combination of its labels' values. */
export interface Family<Meter> {
  /**
   * The meter of these label values, in the order of the label names. The same values return the same meter. Keep it:
   * finding it costs more than using it.
   */
  of(...labelValues: string[]): Meter;
}

/** A meter and its labels as they are printed: `task="MyPilotTask",outcome="done"`. */
export interface Series<Meter> {
  readonly labels: string;
  readonly meter: Meter;
}

/** The label value under which further combinations are counted, so that no input can fill the memory. */
export const OTHER = "other";

/** A family of meters. `create` makes each when it is first asked for. Beyond `maxSeries` label combinations they share one. */
export function createFamily<Meter>(
  { labels: labelNames = [], maxSeries }: { readonly labels?: readonly string[]; readonly maxSeries: number },
  create: () => Meter,
): Family<Meter> & { series(): Series<Meter>[] } {
  const known = new Map<string, Series<Meter>>();
  function find(values: readonly string[]): Meter {
    const labels = printLabels(labelNames, values);
    const found = known.get(labels);
    if (found !== undefined) return found.meter;
    if (known.size >= maxSeries && values.some((value) => value !== OTHER)) {
      return find(labelNames.map(() => OTHER));
    }
    const meter = create();
    known.set(labels, { labels, meter });
    return meter;
  }
  return { of: (...values) => find(values), series: () => [...known.values()] };
}
