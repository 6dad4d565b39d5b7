import type { LineLevel } from "../connection/observer.ts";
import type { Json } from "../definition/json.ts";
import type { OutcomeRow, SpawnedTask } from "../definition/ledger.ts";
import type { Progress } from "../result/progress.ts";
import { describeError } from "../run/identify.ts";

/**
 * How a run ended.
 *
 * - `done`, `retry`, `dead`, `dropped`, `cancelled`: recorded in the ledger.
 * - `refused`: the payload is none that the task takes. A worker keeps such a message as a dead letter.
 * - `abandoned`: nothing is recorded and no attempt is used up, as after a lost connection. A worker hands the message back.
 * - `duplicate`: the ledger knew how it ended, so it did not run.
 */
export type OutcomeKind = "done" | "retry" | "dead" | "dropped" | "cancelled" | "refused" | "abandoned" | "duplicate";

/** A line that a task logged, with `run.log` or through the `log` of its test. One of `run.log` has the task's name, id, VO and attempt too. */
export interface LoggedLine {
  readonly level: LineLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** All that can be seen of one run of a task. */
export interface TaskOutcome {
  readonly kind: OutcomeKind;
  readonly task: string;
  /** The VO's name, or `_` for a task that is not per VO. */
  readonly vo: string;
  readonly taskId: string;
  /** 1 first. */
  readonly attempt: number;
  /** What `execute` returned, as the ledger keeps it: null for nothing. Undefined unless done. */
  readonly result: Json | undefined;
  /** What `execute` or the commit threw, itself. Undefined where nothing was thrown. */
  readonly error: unknown;
  /** When the next attempt is due; undefined unless `kind` is `retry`. */
  readonly dueAt: Date | undefined;
  /**
   * The children, in the order in which they were spawned. The callback of a group stands behind its children and has a `callback`. A run that
   * is not done has none.
   */
  readonly spawned: readonly SpawnedTask[];
  /** Those of `spawned` that begin at a time of their own, their `startAt`. */
  readonly scheduled: readonly SpawnedTask[];
  /** Also of a run that failed. */
  readonly logged: readonly LoggedLine[];
  /** All that the run told of its progress, in order. A worker sends less of what comes fast. Also of a run that failed. */
  readonly progress: readonly Progress[];
  /** The keys of the locks that the run held. */
  readonly locks: readonly string[];
  /** The ledger's row that stands; undefined where nothing was recorded. */
  readonly row: OutcomeRow | undefined;
}

/** One line on how a run ended, for the text of a failed test. */
export function describeOutcome({ kind, task, vo, attempt, dueAt, error, row }: TaskOutcome): string {
  const what = `attempt ${attempt} of ${task} (VO ${vo})`;
  if (kind === "duplicate") return `${what} did not run: the ledger has "${row?.outcome}" of attempt ${row?.attempt}`;
  const when = dueAt === undefined ? "" : `, due at ${dueAt.toISOString()}`;
  return `${what} ended "${kind}"${when}${error === undefined ? "" : `, after ${describeError(error)}`}`;
}
