// Tested by libs/tasks/src/run/run_task_test.ts
import type { ChildGroup } from "../definition/group.ts";
import type { Lease } from "../lease/lease.ts";
import { RunningAttempt } from "./attempt.ts";
import type { PreparedTask } from "./identify.ts";
import type { RunContext } from "./run_task.ts";
import { linesOf, tell } from "./settle.ts";

/** Starts `execute` of a task, and tells that it has. */
export function startRun(
  context: RunContext,
  task: PreparedTask,
  given: { readonly leases: readonly Lease[]; readonly group: ChildGroup | undefined },
): RunningAttempt {
  const { definition, vo, delivery } = task.received;
  // Told before the run may write its first line.
  tell(context, task, { step: "started", tookMs: Math.max(0, Date.now() - Number(delivery.storedAtNs) / 1e6) });
  const { taskId, attempt, payload, sent, ledger, errors } = task;
  const running = new RunningAttempt({
    definition,
    payload,
    sent,
    vo,
    taskId,
    attempt,
    headers: task.received.headers,
    group: given.group,
    leases: given.leases,
    errors,
    ledger,
    deps: (input) => context.deps(input),
    maxPayloadBytes: context.maxPayloadBytes,
    middleware: context.middleware,
    threads: context.threads,
    progress: context.progress,
    lines: () => linesOf(context, task),
  });
  context.onStart(running);
  return running;
}
