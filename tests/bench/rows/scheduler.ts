import { AckPolicy, type Consumer, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { setTimeout as pause } from "node:timers/promises";
import type { SchedulerVerbs } from "../actors/scheduler.ts";
import type { RowReport } from "../report/report.ts";
import { startActor } from "../run/actor.ts";
import type { Bench } from "../run/bench.ts";
import { nodeCommand } from "../run/contenders.ts";
import { median, quantile } from "../run/statistics.ts";
import { bareBatchesMs } from "./bare_batches.ts";

const TASKS = 50;
const VOS = 200;
const COUNT = TASKS * VOS;
/** Time for the first markers, ms: due is what comes after them. */
const PREPARE_MS = 6_000;
/** How long we wait for the last occurrence, ms. */
const PATIENCE_MS = 20_000;
const WITHIN_MS = 1_000;
const LATE_MS = 100;

async function countTasks(url: string): Promise<number> {
  const nc = await connect({ servers: url });
  const jsm = await jetstreamManager(nc);
  const { state } = await jsm.streams.info("TASKS", { subjects_filter: "tasks.>" });
  await nc.close();
  return Object.keys(state.subjects ?? {}).length;
}

async function readLateness(consumer: Consumer, dueAt: number): Promise<number[]> {
  const late: number[] = [];
  while (late.length < COUNT) {
    for await (const message of await consumer.fetch({ max_messages: 1_000 })) {
      late.push(message.info.timestampNanos / 1e6 - dueAt);
    }
  }
  return late;
}

/** How late each occurrence was stored, ms, by the broker's clock. */
async function lateness(bench: Bench, round: number): Promise<readonly number[]> {
  const { url } = await bench.servers.nats(`scheduler-${round}`, bench.durability);
  await using leader = await startActor<SchedulerVerbs>(
    nodeCommand(bench, "muster-scheduler", ["actors/scheduler.ts", url]),
  );
  const dueAt = Math.ceil(Date.now() / 1_000) * 1_000 + PREPARE_MS;
  await leader.ask("lead", { taskCount: TASKS, voCount: VOS, second: new Date(dueAt).getUTCSeconds() });
  await pause(dueAt - Date.now() + WITHIN_MS);
  for (const until = performance.now() + PATIENCE_MS; (await countTasks(url)) < COUNT; await pause(100)) {
    if (performance.now() > until)
      throw new Error(`Cannot measure: only ${await countTasks(url)} of ${COUNT} were published`);
  }
  const nc = await connect({ servers: url });
  const jsm = await jetstreamManager(nc);
  await jsm.consumers.add("TASKS", {
    durable_name: "bench",
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: -1,
    filter_subjects: ["tasks.>"],
  });
  const late = await readLateness(await jetstream(nc).consumers.get("TASKS", "bench"), dueAt);
  await nc.close();
  return late;
}

/** Many schedules that are due in the same moment. */
export async function scheduler(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  const lates: (readonly number[])[] = [];
  const bare: number[] = [];
  const { url } = await bench.servers.nats("batches", bench.durability);
  for (let round = 0; round < Math.min(3, sizes.rounds); round++) {
    progress(`muster: ${COUNT} schedules due at once`);
    bare.push(await bareBatchesMs(url, 2 * COUNT));
    lates.push(await lateness(bench, round));
  }
  const last = lates.map((late) => Math.max(...late));
  const p99 = lates.map((late) => quantile(late, 0.99));
  return [
    {
      row: "scheduler",
      title: `${COUNT.toLocaleString("en")} schedules (${TASKS} tasks x ${VOS} VOs) due in one moment`,
      durability: "lazy",
      figures: [
        { contender: "muster", what: "median late", unit: "ms", rounds: lates.map((late) => median(late)) },
        { contender: "muster", what: "p99 late", unit: "ms", rounds: p99 },
        { contender: "muster", what: "last", unit: "ms", rounds: last },
        { contender: "raw", what: "bare batches of 20,000", unit: "ms", rounds: bare },
      ],
      targets: [
        {
          name: `${COUNT.toLocaleString("en")} schedules, the last vs one second`,
          ratio: median(last) / WITHIN_MS,
          atMost: 1,
        },
        {
          name: `${COUNT.toLocaleString("en")} schedules, p99 vs ${LATE_MS} ms late`,
          ratio: median(p99) / LATE_MS,
          atMost: 1,
        },
      ],
      notes: ["raw: the same number of markers and messages in atomic batches of 1,000 with nobody deciding anything"],
    },
  ];
}
