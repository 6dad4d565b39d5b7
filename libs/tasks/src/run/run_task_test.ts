import { startNatsServer } from "@muster/local";
import test from "ava";
import { createGroups } from "../group/groups.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atLeastOnceFactory, taskFactory } from "../definition/task.ts";
import type { OutcomeRow, Ledger } from "../definition/ledger.ts";
import { openKeeper } from "../keeper/keeper.ts";
import { openBroker } from "../lease/open_broker.ts";
import { openLocks } from "../locks/locks.ts";
import { connectNats } from "../connection/connection.ts";
import { type Observer, type Step, silentObserver } from "../connection/observer.ts";
import { playedLedger } from "./_played_ledger_test.ts";
import { Environment } from "./environment.ts";
import { ProgressReports } from "../result/progress.ts";
import { NewerPayloads } from "./newer_payloads.ts";
import { startCounts } from "./poison.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import { type RunContext, runTask } from "./run_task.ts";
import { streamLedger } from "./stream_ledger.ts";

const DAY_MS = 86_400_000;
const OnceTask = taskFactory<undefined>()({ name: "OnceTask", per: "vo", execute() {} });
const LooseTask = atLeastOnceFactory()({ name: "LooseTask", per: "vo", execute() {} });

/** A ledger that knows of nothing. */
function emptyLedger(recorded: OutcomeRow[]): Ledger<unknown> {
  return playedLedger({
    async commit(row) {
      recorded.push(row);
      return { kind: "committed", row };
    },
  });
}

function receivedOf(definition: ReceivedTask["definition"], storedDaysAgo: number): ReceivedTask {
  const storedAtNs = String(BigInt(Math.round(Date.now() - storedDaysAgo * DAY_MS)) * 1_000_000n);
  const subject = `tasks.${definition.name}.lhcb`;
  return {
    held: undefined,
    starts: undefined,
    definition,
    vo: "lhcb",
    subject,
    headers: undefined,
    body: new Uint8Array(),
    ack: "acks.nobody",
    delivery: {
      stream: "TASKS",
      consumer: "any",
      count: 1,
      streamSequence: 7,
      consumerSequence: 7,
      storedAtNs,
      pending: 0,
    },
    isFirst: true,
    pulledAtMs: performance.now(),
    untilMs: performance.now() + 60_000,
  };
}

test("a task that is older than the ledger and unknown to it is not run; one without a ledger waits as long as it likes", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "muster-run-"));
  const server = await startNatsServer({ dataDir, syncInterval: "lazy" });
  const nc = await connectNats({ url: server.url, name: "test" });
  const steps: Step[] = [];
  const observer: Observer = { ...silentObserver, step: (step) => void steps.push(step) };
  const broker = await openBroker(nc, { observer });
  const keeper = await openKeeper({ access: { url: server.url }, name: "test keeper", observer });
  const locks = await openLocks({ broker, keeper, worker: "test" });
  const recorded: OutcomeRow[] = [];
  const context: RunContext = {
    broker,
    worker: "test",
    locks,
    groups: createGroups(broker),
    cancellations: { find: () => undefined, noteEnded: async () => {} },
    limitersOf: () => [],
    ledger: emptyLedger(recorded),
    starts: startCounts(broker, "test"),
    environment: new Environment({ broker, ledger: undefined, onChange() {} }),
    streamLedger: streamLedger(broker),
    newerPayloads: new NewerPayloads(async () => []),
    progress: new ProgressReports(broker, "test"),
    maxPayloadBytes: 1_000,
    middleware: {},
    owns: () => true,
    deps: () => undefined,
    raiseIfBehind: async () => {},
    onStart() {},
    onEnd() {},
  };
  const waiting = { waiter: { resume() {} }, waitedMs: 0, aloneMs: 0 };
  await runTask(context, receivedOf(OnceTask, 30), waiting);
  t.like(steps, [{ step: "refused", task: "OnceTask" }]);
  t.regex(steps[0]?.reason ?? "", /older than the ledger/);
  t.deepEqual(recorded, []);
  await runTask(context, receivedOf(OnceTask, 28), waiting);
  t.is(recorded.length, 1);
  steps.length = 0;
  nc.subscribe("acks.nobody", { callback: (_error, message) => void message.respond() });
  await runTask(context, receivedOf(LooseTask, 300), waiting);
  t.deepEqual(
    steps.map(({ step }) => step),
    ["started", "done"],
  );

  await locks[Symbol.asyncDispose]();
  await keeper[Symbol.asyncDispose]();
  await nc.close();
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});
