import type { Json } from "../definition/json.ts";
import type { Ledger } from "../definition/ledger.ts";
import type { Broker } from "../broker/broker.ts";
import { awaitResult, endOfRow, type ResultOptions, type Sought } from "../result/await_result.ts";
import type { KeptResult } from "../result/kept_result.ts";
import { ResultNotKeptError, TaskNotDoneError } from "../result/result_errors.ts";
import type { Published } from "./store.ts";

/** The broker's receipt of a task, and the way to its result. */
export interface Handle<Result = Json> extends Published {
  /**
   * Waits until the task has ended, and returns its result as JSON keeps it. Any number may wait, in any process.
   *
   * Throws `TaskNotDoneError` where it ended otherwise, and `ResultTimeoutError` after `timeoutMs`. Throws `ResultNotKeptError` where nobody
   * asked to keep the result, and `ResultGoneError` where the task has ended and no result is left. Throws the reason of `signal`.
   */
  result(options?: ResultOptions): Promise<Result>;
}

/** The ledger of the tasks that are waited for, where the caller has one. It knows ends of which no result is kept. */
export type ResultLedger = Pick<Ledger<never>, "recall">;

/** The result of a task that is done. Throws {@linkcode TaskNotDoneError} for any other. */
export function resultIn<Result>(taskId: string, end: KeptResult): Result {
  if (end.outcome === "done") return end.result as Result;
  throw new TaskNotDoneError(taskId, end);
}

interface HandleParts {
  readonly broker: Broker;
  readonly ledger: ResultLedger | undefined;
  readonly address: { readonly task: string; readonly vo: string };
  /** Whether publisher or definition asked to keep the result. */
  readonly isKept: boolean;
}

/** Makes the handle of a published task. It costs nothing until its result is asked for. */
export function handleOf<Result>(published: Published, parts: HandleParts): Handle<Result> {
  const { broker, ledger, address, isKept } = parts;
  const { taskId, stream, sequence } = published;
  async function result(options?: ResultOptions): Promise<Result> {
    const sought: Sought = { ...{ taskId, address, stored: { stream, sequence } }, ...recallOf(ledger) };
    if (isKept) return resultIn(taskId, await awaitResult(broker, sought, options));
    const end = endOfRow(await ledger?.recall(taskId));
    if (end === undefined) throw new ResultNotKeptError(taskId, address.task);
    return resultIn(taskId, end);
  }
  return { ...published, result };
}

/** The part of {@linkcode Sought} that asks the ledger. */
export function recallOf(ledger: ResultLedger | undefined): Pick<Sought, "recall"> {
  return ledger === undefined ? {} : { recall: (taskId) => ledger.recall(taskId) };
}
