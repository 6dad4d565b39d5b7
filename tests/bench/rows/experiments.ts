import type { RowReport } from "../report/report.ts";
import type { Bench } from "../run/bench.ts";
import type { Durability } from "../servers/servers.ts";
import { bulk, syncedBulk } from "./bulk.ts";
import { churn } from "./churn.ts";
import { lightVo, manyVos } from "./fairness.ts";
import { endedPilots } from "./ended_pilots.ts";
import { growth } from "./growth.ts";
import { idleLatency } from "./idle_latency.ts";
import { eightWorkers, idleWorker } from "./idle_workers.ts";
import { idleApps, lightProcesses } from "./light.ts";
import { mutex } from "./mutex.ts";
import { pilotsOverNetwork } from "./network.ts";
import { PILOT_PEER_ROWS, pilotsOnPeers } from "./pilot_peers.ts";
import { oneCe, tenCes } from "./pilots.ts";
import { scheduler } from "./scheduler.ts";
import { bulkOnThree, latencyOnThree, pilotsOnThree } from "./three_nodes.ts";
import { waiting } from "./waiting.ts";

/** One measurement. It gives one row or several. */
export interface Experiment {
  readonly rows: readonly string[];
  readonly durability: Durability;
  run(bench: Bench): Promise<readonly RowReport[]>;
}

const EXPERIMENTS: readonly Experiment[] = [
  { rows: ["drain", "publish"], durability: "lazy", run: bulk },
  { rows: ["synced-drain", "synced-publish"], durability: "synced", run: syncedBulk },
  { rows: ["idle-latency"], durability: "lazy", run: idleLatency },
  { rows: ["realtime", "memory"], durability: "lazy", run: waiting },
  { rows: ["many-vos"], durability: "lazy", run: manyVos },
  { rows: ["light-vo"], durability: "lazy", run: lightVo },
  { rows: ["mutex"], durability: "lazy", run: mutex },
  { rows: ["one-ce"], durability: "lazy", run: oneCe },
  { rows: ["ten-ces"], durability: "lazy", run: tenCes },
  { rows: PILOT_PEER_ROWS, durability: "lazy", run: pilotsOnPeers },
  { rows: ["network-pilots"], durability: "lazy", run: pilotsOverNetwork },
  { rows: ["scheduler"], durability: "lazy", run: scheduler },
  { rows: ["idle-cost"], durability: "lazy", run: idleWorker },
  { rows: ["eight-workers"], durability: "lazy", run: eightWorkers },
  { rows: ["churn"], durability: "lazy", run: churn },
  { rows: ["three-nodes-drain", "three-nodes-publish"], durability: "lazy", run: bulkOnThree },
  { rows: ["three-nodes-latency"], durability: "lazy", run: latencyOnThree },
  { rows: ["three-nodes-pilots"], durability: "lazy", run: pilotsOnThree },
  { rows: ["ended-pilots"], durability: "lazy", run: endedPilots },
  { rows: ["idle-app"], durability: "lazy", run: idleApps },
  { rows: ["light-processes"], durability: "lazy", run: lightProcesses },
  { rows: ["growth"], durability: "lazy", run: growth },
];

export function rowNames(): readonly string[] {
  return EXPERIMENTS.flatMap(({ rows }) => rows);
}

/** Returns the measurements for the rows in `only`; all measurements where it is empty. */
export function choose(only: readonly string[]): readonly Experiment[] {
  return only.length === 0 ? EXPERIMENTS : EXPERIMENTS.filter(({ rows }) => rows.some((row) => only.includes(row)));
}
