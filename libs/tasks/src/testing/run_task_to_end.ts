import { randomUUID } from "node:crypto";
import type { JsonObject } from "../definition/json.ts";
import type { Given } from "../definition/publishable.ts";
import type { EffectKind, TaskDefinition } from "../definition/task.ts";
import type { Per } from "../definition/traits.ts";
import { testClock } from "./clock.ts";
import { memoryLedger } from "./memory_ledger.ts";
import type { TaskOutcome } from "./outcome.ts";
import { type History, runAttempt, type RunTaskOptions } from "./run_task.ts";

/** Most attempts of a task that asks for another one each time. */
const MAX_ATTEMPTS = 1_000;

/**
 * Runs one task attempt after attempt until it is not tried again, and returns how each ended, the first one first.
 *
 * Before each retry the clock is set to its due time, so that a backoff of hours takes no time. Options and throws are those of
 * {@linkcode runTask}; `clock` is by default one that begins now. Throws `RangeError` after 1,000 attempts.
 *
 * ```ts
 * const outcomes = await runTaskToEnd(GreetTask, { payload: { name: "world" } });
 * ```
 */
export async function runTaskToEnd<
  Input extends JsonObject,
  Payload,
  Deps,
  Result,
  P extends Per,
  Transaction = undefined,
>(
  task: TaskDefinition<Input, Payload, Deps, Result, EffectKind, P>,
  ...[given]: Given<RunTaskOptions<NoInfer<Input>, NoInfer<Deps>, Transaction, NoInfer<P>>>
): Promise<readonly TaskOutcome[]> {
  const options = (given ?? {}) as RunTaskOptions;
  const { clock = testClock(new Date()), taskId = `test-${randomUUID()}` } = options;
  const ledger = options.ledger ?? memoryLedger<unknown>();
  const run = { ...options, clock, taskId, ledger };
  const outcomes: TaskOutcome[] = [];
  let history: History = {};
  while (outcomes.length < MAX_ATTEMPTS) {
    const outcome = await runAttempt(task, run, history);
    outcomes.push(outcome);
    if (outcome.dueAt === undefined) return outcomes;
    clock.set(outcome.dueAt);
    history = { attempt: outcome.attempt + 1, errors: outcome.row?.errors ?? [] };
  }
  throw new RangeError(`Cannot run ${task.name} to its end: it asked for more than ${MAX_ATTEMPTS} attempts`);
}
