// Tested by libs/tasks/src/worker/check_ledger_test.ts
// Tested by libs/tasks/src/run/run_task_test.ts
import type { OwnHeaders } from "../format/own_headers.ts";
import type { GroupPolicy } from "./group.ts";
import type { Json, JsonObject } from "./json.ts";

/** How a task ended, as the ledger records it. `retry` and `dead` may be replaced by a higher attempt; the others are final. */
export type LedgerOutcome = "done" | "dropped" | "cancelled" | "retry" | "dead";

/** A child that a parent's run spawned, with everything needed to publish it, once or again. */
export interface SpawnedTask {
  readonly taskId: string;
  readonly task: string;
  readonly vo: string;
  readonly payload: JsonObject;
  /** Version of the payload's form; absent: 1. */
  readonly payloadVersion?: number;
  /** Earliest start, RFC 3339 in UTC; absent: at once. */
  readonly startAt?: string;
  /** Headers of the publisher's own; absent: none. */
  readonly headers?: OwnHeaders;
  /** How long its result is kept after its end, ms; absent: as the worker's definition says. */
  readonly keepResultMs?: number;
  /** `<group>/<number>` of a child of a group; absent: it is in none. */
  readonly group?: string;
  /** The key of a child in its group. */
  readonly groupKey?: string;
  /** Given for the callback of a group, which is published when the group closes; absent: it is a child. */
  readonly callback?: SpawnedGroup;
}

/** A group that a parent's run spawned. Its children stand beside its callback. */
export interface SpawnedGroup {
  readonly id: string;
  readonly policy: GroupPolicy;
  /** RFC 3339, UTC. */
  readonly deadlineAt: string;
}

/** The content of the message of a task's next attempt, should LATER lose it. */
export interface RetryMessage {
  /** The body as it was sent. */
  readonly body: string;
  /** The headers that stay the same over a task's attempts. */
  readonly headers: Readonly<Record<string, string>>;
}

/** One row of the ledger, `task_outcome`. */
export interface OutcomeRow {
  readonly taskId: string;
  readonly task: string;
  /** The VO's name, or `_` for a task that is not per VO. */
  readonly vo: string;
  /** SHA-256 of the canonical payload, hexadecimal. It tells a repeat from another task under the same id. */
  readonly payloadHash: string;
  /** The attempt that had this outcome, 1 first. */
  readonly attempt: number;
  readonly outcome: LedgerOutcome;
  /** What `execute` returned; null unless done. */
  readonly result: Json;
  readonly spawned: readonly SpawnedTask[];
  /** When the next attempt is due (RFC 3339, UTC); null unless `outcome` is `retry`. */
  readonly dueAt: string | null;
  /** One line for each failed attempt so far, oldest first, at most 1 KiB each. */
  readonly errors: readonly string[];
  /** Given with `retry` only, and not read back with the row. */
  readonly message?: RetryMessage;
}

/** A lease that must still be the newest one when the transaction writes. */
export interface Fence {
  /** The lock's key, `<lock type>.<key>`. */
  readonly key: string;
  /** The revision that began the lease. */
  readonly fencingToken: number;
  /** The random name under which the lease was taken. Readers that hold a read-write lock together have one in common. */
  readonly holder: string;
  /**
   * Whether other leases with this token and holder may write at the same time: those of readers. A transaction under it waits for none of
   * them. Absent: no.
   */
  readonly isShared?: boolean;
}

/** What one run of a task claims before it may write. */
export interface Claim {
  readonly taskId: string;
  readonly task: string;
  readonly vo: string;
  readonly attempt: number;
  /** In the order of the keys. The transaction's first statements raise each. Empty: nothing to fence. */
  readonly fences: readonly Fence[];
}

/** The result of a COMMIT that was sent. An error that the database reports at commit is thrown instead: it fails the task. */
export type CommitAnswer =
  /** The outcome is durable and ours. */
  | { readonly kind: "committed"; readonly row: OutcomeRow }
  /** Another run's row stands for this task id, and ours was rolled back. Replay that row. */
  | { readonly kind: "earlier"; readonly row: OutcomeRow }
  /** There was no answer, or a newer lease has written: neither done nor failed. The message comes back and the ledger decides. */
  | { readonly kind: "unknown"; readonly cause: unknown };

/**
 * The transaction of one run. Nothing is sent to the database before the first `transaction()` or `commit()`.
 *
 * It uses at most one connection, which goes back to its pool when `commit`, `rollback` or `destroy` has settled.
 */
export interface LedgerTransaction<Transaction> {
  /**
   * Begins the transaction at the first call, with the fences first; later calls return the same one. Throws when a newer lease has written
   * (see `gone`).
   */
  transaction(): Promise<Transaction>;
  /** Inserts the ledger row and commits. Throws what the database reports, after rolling back. */
  commit(row: OutcomeRow): Promise<CommitAnswer>;
  /** Rolls back. Never throws; harmless when nothing was begun or all has ended. */
  rollback(): Promise<void>;
  /** Sends `select 1` on an open idle transaction, so that only a frozen or dead holder meets the idle timeout. Never throws. */
  keepAwake(): Promise<void>;
  /**
   * Ends the server's backend and closes the connection, whatever runs on it. Settles when the transaction has surely ended or can no
   * longer commit.
   */
  destroy(): Promise<void>;
  /**
   * Why this run can have no outcome of its own: a newer lease's fence, or a lost connection; undefined: it can. It is kept here because
   * `execute` may have swallowed the error.
   */
  gone(): Error | undefined;
  /**
   * Whether one of its statements failed because a table or a right is missing, also where `execute` has swallowed the error. Absent:
   * never.
   */
  isDoubtful?(): boolean;
  /**
   * Carries out what the run's half in another thread asks of the transaction, and returns what is to be told there. Question and answer are
   * copied from thread to thread. Absent: a run in another thread has no transaction.
   */
  serve?(question: unknown): Promise<unknown>;
}

/** What a thread that runs a task has of the task's transaction. The transaction itself stays with the worker, which ends it. */
export interface ThreadTransaction<Transaction> {
  /** Returns the transaction for the task, which has begun. Later calls return the same one. */
  transaction(): Promise<Transaction>;
  /** Sends what the transaction still buffers. Called once `execute` has returned. */
  flush(): Promise<void>;
}

/** A ledger's half in a thread that runs tasks. It asks its other half, {@linkcode LedgerTransaction.serve}. */
export interface ThreadLedger<Transaction> {
  /** Returns the half of one run's transaction. `ask` returns what `serve` returns, and throws what it throws. */
  open(ask: (question: unknown) => Promise<unknown>): ThreadTransaction<Transaction>;
}

/** Opens the transactions in which effects and outcomes become durable together. The owner of the database implements it. */
export interface Ledger<Transaction> {
  /** Time after which the database ends every transaction, ms; absent: it never does. No task's timeout may be longer. */
  readonly transactionTimeoutMs?: number;
  /** Makes the transaction of one run. Nothing is sent yet. */
  open(claim: Claim): LedgerTransaction<Transaction>;
  /**
   * Records an outcome without an effect (`retry`, `dead`, `dropped`, `cancelled`, or `done` without a write). Returns the row that stands:
   * ours, or an earlier one by the ledger rule.
   *
   * Waits for an open transaction on the same id. Throws when the database cannot answer.
   */
  record(row: OutcomeRow): Promise<OutcomeRow>;
  /** The row of `taskId`, or undefined. Throws when the database cannot answer. */
  recall(taskId: string): Promise<OutcomeRow | undefined>;
  /** Records that all of a row's `spawned` were published. */
  markPublished(taskId: string): Promise<void>;
  /**
   * What an error from `execute` or `commit` means. `again` (serialisation failure or deadlock): run again in place, without using an
   * attempt. `gone` (connection or database lost): abandon the run. `doubtful` (a table or a right is missing): the task's own failure
   * where `check` finds nothing. `failed` (anything else): the task's own failure.
   */
  classify(error: unknown): "again" | "gone" | "doubtful" | "failed";
  /**
   * Throws the reason why no task can be recorded now, as readiness reports it: the server is away, or Muster's own tables or rights are
   * missing. Absent: nobody can tell.
   */
  check?(): Promise<void>;
}
