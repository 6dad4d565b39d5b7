/** One metric with a meter for each combination of its labels' values. */
export interface Family<Meter> {
  /**
   * The meter of these label values, in the order of the label names; the same one for the same values. Keep it: finding it costs more
   * than using it.
   */
  of(...labelValues: string[]): Meter;
}

/** A meter and the labels it is printed with: `task="MyPilotTask",outcome="done"`. */
export interface Series<Meter> {
  readonly labels: string;
  readonly meter: Meter;
}

/** Label combinations of one metric; what comes beyond is counted under `other`, so that no input can fill the memory. */
const MAX_SERIES = 500;
const OVERFLOW = "other";

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** A family whose meters `create` makes when they are first asked for. */
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
