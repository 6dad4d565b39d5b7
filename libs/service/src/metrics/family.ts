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

/**
 * Most label combinations of one metric. Further ones are counted under `other`, so that no input can fill the memory.
 */
const MAX_SERIES = 500;
const OVERFLOW = "other";

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** A family of meters. `create` makes each when it is first asked for. */
export function createFamily<Meter>(
  labelNames: readonly string[],
  create: () => Meter,
): Family<Meter> & { series(): Series<Meter>[] } {
  const known = new Map<string, Series<Meter>>();
  function find(values: readonly string[]): Meter {
    const labels = labelNames.map((name, at) => `${name}="${escapeLabel(values[at] ?? "")}"`).join(",");
    const found = known.get(labels);
    if (found !== undefined) return found.meter;
    if (known.size >= MAX_SERIES && values.some((value) => value !== OVERFLOW)) {
      return find(labelNames.map(() => OVERFLOW));
    }
    const meter = create();
    known.set(labels, { labels, meter });
    return meter;
  }
  return { of: (...values) => find(values), series: () => [...known.values()] };
}
