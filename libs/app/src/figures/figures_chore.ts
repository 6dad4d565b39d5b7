// Tested by libs/app/src/figures/figures_chore_test.ts
import type { Meters, Reading, ReadValue } from "@muster/service";
import type { Chore } from "@muster/tasks";
import type { FigureSource } from "./figures.ts";

/** Time between two looks, ms. */
const EVERY_MS = 10_000;
/** Time since the last scrape after which nobody reads the figures, so that nobody looks any more, ms. */
const UNREAD_MS = 150_000;
/** A look that took so long is followed by a pause of this many times that. So looking takes a twentieth of a server's time at most. */
const PAUSE_FACTOR = 20;
/** Time beyond the next look for which figures are shown, ms. Then another scheduler shows them, or nobody does. */
const VALID_BEYOND_MS = 20_000;

interface Shown {
  readonly source: FigureSource;
  readonly readings: ReadonlyMap<string, Reading>;
  /** Not looked at before it, by `performance.now()`. */
  nextAtMs: number;
}

function showIn(metrics: Meters, source: FigureSource): Shown {
  const readings = new Map(source.metrics.map((metric) => [metric.name, metrics.reading(metric)]));
  return { source, readings, nextAtMs: Number.NEGATIVE_INFINITY };
}

async function look(shown: Shown): Promise<void> {
  const { source, readings } = shown;
  const beganAtMs = performance.now();
  const values = new Map<string, ReadValue[]>([...readings.keys()].map((name) => [name, []]));
  try {
    for (const { metric, labels, value } of await source.read()) {
      const of = values.get(metric);
      if (of === undefined) throw new Error(`Cannot show ${metric}: ${source.what} has no such metric; name it there`);
      of.push({ labels, value });
    }
  } finally {
    const pauseMs = Math.max(EVERY_MS, PAUSE_FACTOR * (performance.now() - beganAtMs));
    // A little earlier, so that the chore's next round is not just too early.
    shown.nextAtMs = performance.now() + pauseMs - EVERY_MS / 2;
  }
  const validMs = shown.nextAtMs - performance.now() + EVERY_MS + VALID_BEYOND_MS;
  for (const [name, reading] of readings) reading.show(values.get(name) ?? [], validMs);
}

/** The chore of one scheduler that looks at all sources. It asks no server while nobody scrapes the metrics. */
export function figuresChore(metrics: Meters, sources: readonly FigureSource[]): Chore {
  const all = sources.map((source) => showIn(metrics, source));
  let readAtMs = Number.NEGATIVE_INFINITY;
  metrics.onScrape(() => {
    readAtMs = performance.now();
  });
  return {
    name: "reading figures",
    everyMs: EVERY_MS,
    async run() {
      const nowMs = performance.now();
      if (nowMs - readAtMs > UNREAD_MS) return;
      const due = all.filter(({ nextAtMs }) => nextAtMs <= nowMs);
      const looks = await Promise.allSettled(due.map(look));
      const failed = looks.find(({ status }) => status === "rejected");
      if (failed?.status === "rejected") throw failed.reason;
    },
  };
}
