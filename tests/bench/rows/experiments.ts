import type { RowReport } from "../report/report.ts";
import type { Bench } from "../run/bench.ts";
import type { Durability } from "../servers/servers.ts";
import { bulk } from "./bulk.ts";
import { idleLatency } from "./idle_latency.ts";

/** One measurement, which gives one row or several. */
export interface Experiment {
  readonly rows: readonly string[];
  readonly durability: Durability;
  run(bench: Bench): Promise<readonly RowReport[]>;
}

const EXPERIMENTS: readonly Experiment[] = [
  { rows: ["drain", "publish"], durability: "lazy", run: bulk },
  { rows: ["idle-latency"], durability: "lazy", run: idleLatency },
];

export function rowNames(): readonly string[] {
  return EXPERIMENTS.flatMap(({ rows }) => rows);
}

/** The measurements that the rows named `only` need; all where none is named. */
export function choose(only: readonly string[]): readonly Experiment[] {
  return only.length === 0 ? EXPERIMENTS : EXPERIMENTS.filter(({ rows }) => rows.some((row) => only.includes(row)));
}
