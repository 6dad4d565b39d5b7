import { createGroups } from "../group/groups.ts";
import { maxPayloadBytes } from "../publish/publisher.ts";
import { startCounts } from "../run/poison.ts";
import type { RunContext } from "../run/run_task.ts";
import { ProgressReports } from "../result/progress.ts";
import { streamLedger } from "../run/stream_ledger.ts";
import type { WorkerParts } from "./worker_parts.ts";

/** Joins the parts of a worker that its tasks' runs need with `told`, to which the runs report. */
export function runContext(parts: WorkerParts, told: Pick<RunContext, "onStart" | "onEnd">): RunContext {
  const { broker, keeper, locks, ledger, cancellations } = parts;
  return {
    broker,
    worker: parts.name,
    locks,
    limitersOf: (task, vo) => parts.limits.ofTask(task, vo),
    ledger,
    cancellations,
    groups: createGroups(broker),
    starts: startCounts(broker, parts.name),
    streamLedger: streamLedger(broker),
    maxPayloadBytes: maxPayloadBytes(broker),
    middleware: parts.middleware,
    owns: (task) => keeper.owns(task),
    newerPayloads: parts.newerPayloads,
    environment: parts.environment,
    threads: parts.threads,
    deps: (input) => parts.deps(input),
    progress: new ProgressReports(broker, parts.name),
    ...told,
    raiseIfBehind: async () => {
      await locks
        .raiseIfBehind()
        .catch((cause: unknown) =>
          broker.observer.note("Cannot compare the lock bucket with the database yet", { cause }),
        );
    },
  };
}
