// Tested by tests/src/worker/results_test.ts
import type { OutcomeRow } from "../definition/ledger.ts";
import { payloadHash } from "../definition/payload.ts";
import type { Broker } from "../broker/broker.ts";
import { nameOfMessage } from "../format/delivery.ts";
import { headerOf, oneLine, TASK_PARENT } from "../format/headers.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import { keepResult } from "../result/keep_result.ts";
import { keepResultIfGood } from "../result/kept_result.ts";
import type { IdentifiedTask, PreparedTask } from "./identify.ts";

/** How long a task's result is kept, ms; undefined: nobody asked. */
export function keepMsOf({ headers, definition }: Pick<ReceivedTask, "headers" | "definition">): number | undefined {
  return keepResultIfGood(headers) ?? definition.keepResultMs;
}

function parentOf({ headers }: ReceivedTask): string | null {
  return headerOf(headers, TASK_PARENT) || null;
}

/** What the kept result of a task without a database also tells: of which message it is. A redelivery of that message does not run again. */
function ofMessage({ received, sent }: PreparedTask): { readonly message?: string; readonly payloadHash?: string } {
  if (received.definition.effect === "once") return {};
  return { message: nameOfMessage(received.delivery), payloadHash: payloadHash(sent) };
}

/** Keeps how a task has ended where somebody asked for it. A task that will be tried again has not ended. Costs nothing otherwise. */
export async function keepEnd(
  { broker }: { readonly broker: Broker },
  task: PreparedTask,
  row: OutcomeRow,
): Promise<void> {
  const keepMs = keepMsOf(task.received);
  if (keepMs === undefined || row.outcome === "retry") return;
  await keepResult(broker, {
    ...{ taskId: row.taskId, keepMs, task: row.task, vo: row.vo, attempt: row.attempt, outcome: row.outcome },
    result: row.outcome === "done" ? row.result : null,
    error: row.outcome === "done" ? null : (row.errors.at(-1) ?? null),
    endedAt: new Date().toISOString(),
    parent: parentOf(task.received),
    children: row.outcome === "done" ? row.spawned.length : 0,
    ...ofMessage(task),
  });
}

/** Keeps that a message was refused where it asks for its result. */
export async function keepRefusal(
  { broker }: { readonly broker: Broker },
  { received, taskId, attempt }: IdentifiedTask,
  reason: string,
): Promise<void> {
  const keepMs = keepMsOf(received);
  if (keepMs === undefined) return;
  await keepResult(broker, {
    ...{ taskId, keepMs, task: received.definition.name, vo: received.vo, attempt, outcome: "refused" },
    ...{ result: null, error: oneLine(reason), endedAt: new Date().toISOString() },
    ...{ parent: parentOf(received), children: 0 },
  });
}
