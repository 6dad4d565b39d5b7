import { type Metric, sample } from "./exposition.ts";
import { createFamily, type Family } from "./family.ts";
import { createReading, type Reading } from "./reading.ts";

/** A number that only rises. */
export interface Counter {
  value: number;
}

/** A number that goes up and down. */
export interface Gauge {
  value: number;
}

/** Counts values by size. */
export interface Histogram {
  /** Adds one observation. */
  observe(value: number): void;
}

/**
 * Meters are plain numbers; only a scrape turns them into text.
 *
 * prom-client's own counters hash their labels at each step. The five steps of one task took 1,000 ns with them, and 35
 * ns with these. At 50,000 tasks a second that is a twentieth of a core against a five-hundredth.
 */
export interface Meters {
  /** Makes a family of numbers that only rise. */
  counter(metric: Metric): Family<Counter>;
  /** Makes a family of numbers that rise and fall. */
  gauge(metric: Metric): Family<Gauge>;
  /** `bounds` are the buckets' upper ends, rising, without infinity. */
  histogram(metric: Metric, bounds: readonly number[]): Family<Histogram>;
  /** Makes a gauge whose values are all replaced together. */
  reading(metric: Metric): Reading;
  /** Runs `update` before each scrape, for values that are cheaper to look up than to keep. */
  onScrape(update: () => void): void;
  /** All meters in Prometheus' text format. */
  text(): string;
}

/** Most label combinations of one counter or gauge: ten tasks of thirty VOs make some ten steps. */
const MAX_NUMBERS = 3_000;
/** Most label combinations of one histogram, each of which is some twenty lines. */
const MAX_HISTOGRAMS = 500;

interface Buckets extends Histogram {
  text(name: string, labels: string): string;
}

function createBuckets(bounds: readonly number[]): Buckets {
  const counts = new Float64Array(bounds.length + 1);
  let sum = 0;
  return {
    observe(value) {
      let at = 0;
      while (value > (bounds[at] ?? Number.POSITIVE_INFINITY)) at++;
      counts[at] = (counts[at] ?? 0) + 1;
      sum += value;
    },
    text(name, labels) {
      const comma = labels === "" ? "" : ",";
      let text = "";
      let count = 0;
      for (const [at, inBucket] of counts.entries()) {
        count += inBucket;
        text += sample(`${name}_bucket`, `${labels}${comma}le="${bounds[at] ?? "+Inf"}"`, count);
      }
      return text + sample(`${name}_sum`, labels, sum) + sample(`${name}_count`, labels, count);
    },
  };
}

/** An empty set of meters. Registering a name twice throws. */
export function createMeters(): Meters {
  const metrics = new Map<string, () => string>();
  const updates: (() => void)[] = [];

  function register({ name, help }: Metric, kind: string, lines: () => string[]): void {
    if (metrics.has(name)) {
      throw new Error(`Cannot register metric ${name}: it is registered already; use the one there is`);
    }
    metrics.set(name, () => `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${lines().join("")}`);
  }
  function numbers(metric: Metric, kind: "counter" | "gauge"): Family<{ value: number }> {
    const meters = createFamily({ ...metric, maxSeries: MAX_NUMBERS }, () => ({ value: 0 }));
    register(metric, kind, () => meters.series().map(({ labels, meter }) => sample(metric.name, labels, meter.value)));
    return meters;
  }
  return {
    counter: (metric) => numbers(metric, "counter"),
    gauge: (metric) => numbers(metric, "gauge"),
    histogram(metric, bounds) {
      const meters = createFamily({ ...metric, maxSeries: MAX_HISTOGRAMS }, () => createBuckets(bounds));
      register(metric, "histogram", () => meters.series().map(({ labels, meter }) => meter.text(metric.name, labels)));
      return meters;
    },
    reading(metric) {
      const reading = createReading(metric);
      register(metric, "gauge", () => reading.lines());
      return reading;
    },
    onScrape: (update) => void updates.push(update),
    text() {
      for (const update of updates) update();
      return [...metrics.values()].map((metric) => metric()).join("");
    },
  };
}
