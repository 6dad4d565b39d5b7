import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { setTimeout as pause } from "node:timers/promises";
import type { SchedulerVerbs } from "../actors/scheduler.ts";
import type { RowReport } from "../report/report.ts";
import { startActor } from "../run/actor.ts";
import type { Bench } from "../run/bench.ts";
import { nodeCommand } from "../run/contenders.ts";
import { median, quantile } from "../report/statistics.ts";
import { bareBatchesMs } from "./bare_batches.ts";

const TASKS = 50;
const VOS = 200;
const COUNT = TASKS * VOS;
/** Time for the first markers, ms. The measured occurrences are due after it. */
const PREPARE_MS = 6_000;
const WITHIN_MS = 1_000;
/** Longest time for the last occurrence, ms. */
const PATIENCE_MS = 5_000;
const LATE_MS = 100;

interface Occurrences extends AsyncDisposable {
  /** Returns the delay of each occurrence that was due in this time until it was stored, by the broker's clock, ms. */
  dueWithin(from: number, to: number): readonly number[];
}

/** Takes every occurrence off the stream at once, as idle workers would. */
async function takeOccurrences(url: string): Promise<Occurrences> {
  const nc = await connect({ servers: url });
  const jsm = await jetstreamManager(nc);
  const seen: { readonly dueAt: number; readonly lateMs: number }[] = [];
  await jsm.consumers.add("TASKS", {
    durable_name: "bench",
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: -1,
    filter_subjects: ["tasks.>"],
  });
  const messages = await (await jetstream(nc).consumers.get("TASKS", "bench")).consume({
    max_messages: 1_000,
    callback: (message) => {
      const taskId = message.headers?.get("Task-Id") ?? "";
      const dueAt = Date.parse(taskId.slice(taskId.lastIndexOf("/") + 1));
      seen.push({ dueAt, lateMs: message.info.timestampNanos / 1e6 - dueAt });
      message.ack();
    },
  });
  return {
    dueWithin: (from, to) => seen.filter(({ dueAt }) => dueAt >= from && dueAt < to).map(({ lateMs }) => lateMs),
    async [Symbol.asyncDispose]() {
      await messages.close();
      await nc.close();
    },
  };
}

type Spread = "one moment" | "one second";

/** Lets 10,000 schedules become due. Returns the delay of each occurrence. Throws when some did not come. */
async function lateness(bench: Bench, spread: Spread, round: number): Promise<readonly number[]> {
  const { url } = await bench.servers.nats(
    `scheduler-${spread === "one moment" ? "cron" : "every"}-${round}`,
    bench.durability,
  );
  const command = nodeCommand(bench, "muster-scheduler", ["actors/scheduler.ts", url]);
  await using leader = await startActor<SchedulerVerbs>(command);
  const dueAt = Math.ceil(Date.now() / 1_000) * 1_000 + PREPARE_MS;
  const atSecond = spread === "one moment" ? new Date(dueAt).getUTCSeconds() : "each";
  await leader.ask("lead", { taskCount: TASKS, voCount: VOS, atSecond });
  await using occurrences = await takeOccurrences(url);
  await pause(dueAt - Date.now() + WITHIN_MS);
  for (const until = performance.now() + PATIENCE_MS; ; await pause(100)) {
    const late = occurrences.dueWithin(dueAt, dueAt + WITHIN_MS);
    if (late.length >= COUNT) return late;
    if (performance.now() < until) continue;
    throw new Error(`Cannot measure: ${late.length} of ${COUNT} occurrences came within ${PATIENCE_MS} ms`);
  }
}

/** Many schedules that are due in one second: spread over it, and all at its beginning. */
export async function scheduler(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  const atOnce: (readonly number[])[] = [];
  const spread: (readonly number[])[] = [];
  const bare: number[] = [];
  const { url } = await bench.servers.nats("batches", bench.durability);
  for (let round = 0; round < Math.min(3, sizes.rounds); round++) {
    progress(`muster: ${COUNT} schedules due`);
    bare.push(await bareBatchesMs(url, 2 * COUNT));
    atOnce.push(await lateness(bench, "one moment", round));
    spread.push(await lateness(bench, "one second", round));
  }
  const last = atOnce.map((late) => Math.max(...late));
  const p99 = spread.map((late) => quantile(late, 0.99));
  const count = COUNT.toLocaleString("en");
  return [
    {
      row: "scheduler",
      title: `${count} schedules (${TASKS} tasks x ${VOS} VOs) due in one second`,
      durability: "lazy",
      figures: [
        { contender: "muster", what: "late, median, spread", unit: "ms", rounds: spread.map((late) => median(late)) },
        { contender: "muster", what: "late, p99, spread", unit: "ms", rounds: p99 },
        { contender: "muster", what: "late, last, all at once", unit: "ms", rounds: last },
        { contender: "raw", what: "bare batches of 20,000", unit: "ms", rounds: bare },
      ],
      targets: [
        { name: `${count} schedules all at once, the last vs one second`, ratio: median(last) / WITHIN_MS, atMost: 1 },
        {
          name: `${count} schedules spread over a second, p99 vs ${LATE_MS} ms late`,
          ratio: median(p99) / LATE_MS,
          atMost: 1,
        },
      ],
      notes: [
        "spread: each schedule comes every second, at a moment of its own, and its occurrences are taken off at once",
        "raw: as many markers and messages in atomic batches of 1,000 with nobody deciding anything",
      ],
    },
  ];
}
