import type { RowReport } from "../report/report.ts";
import { type Bench, openBench } from "../run/bench.ts";
import { openClusterServers } from "../servers/cluster_servers.ts";
import { bulkOf } from "./bulk.ts";
import { latencyOf } from "./idle_latency.ts";
import { beside } from "./pilots.ts";

/** The kind of servers, as the rows say it. */
const THREE = "on three nodes";
const DURABILITY =
  "three nats-servers on this machine, lazy, three copies of all; raw JetStream: a stream and a consumer of three copies";
/** A figure of three servers on one machine says less, so fewer tasks do. */
const SHARE = 5;

async function onThree(bench: Bench, work: (bench: Bench) => Promise<RowReport[]>): Promise<RowReport[]> {
  await using servers = await openClusterServers(bench.servers);
  await using three = openBench({ ...bench, servers });
  return await work(three);
}

/** Tasks in bulk on three nodes, beside raw JetStream with three copies. */
export async function bulkOnThree(bench: Bench): Promise<RowReport[]> {
  const size = bench.sizes.bulk / SHARE;
  return await onThree(bench, (three) =>
    bulkOf(three, {
      names: ["muster", "raw"],
      size,
      prefix: "three-nodes-",
      titles: { drain: THREE, publish: THREE },
      durability: DURABILITY,
      least: { drain: { raw: 0.5 }, publish: { raw: 0.8 } },
    }),
  );
}

/** Start latency on three nodes, beside raw JetStream with three copies. */
export async function latencyOnThree(bench: Bench): Promise<RowReport[]> {
  return await onThree(bench, (three) =>
    latencyOf(three, {
      names: ["muster", "raw"],
      row: "three-nodes-latency",
      title: `start latency, idle, one at a time, ${THREE}`,
      durability: DURABILITY,
    }),
  );
}

/** The pilots' path on three nodes, beside the bare transactions. */
export async function pilotsOnThree(bench: Bench): Promise<RowReport[]> {
  return await onThree(bench, async (three) => [
    await beside(three, {
      row: "three-nodes-pilots",
      title: `over ten CEs, one worker, ${THREE}`,
      ceCount: 10,
      workerCount: 1,
      concurrency: 10,
      atLeast: 0.2,
      target: `ten CEs, one worker, ${THREE} vs bare transactions at the same concurrency`,
    }),
  ]);
}
