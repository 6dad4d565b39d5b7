import type { Connections } from "../database/connections.ts";
import type { Transaction } from "../database/transaction.ts";
import { meansAgain, meansDoubt, meansGone } from "../database/failures.ts";
import type { DatabaseTracing } from "../database/tracing.ts";
import { insertTask, type PreparableTask, queryOf } from "../outbox/publish_with.ts";
import type { OutcomeRow } from "./outcome_row.ts";
import { findOutcome, insertOutcome, notePublished } from "./outcomes.ts";
import { type Claim, LedgerTransaction } from "./ledger_transaction.ts";

/** The transactions and the outcomes of tasks. The `ledger` of a {@linkcode Database} is one. */
export interface Ledger {
  /** Longest transaction, ms. The server ends a longer one, so no task may have a longer timeout. */
  readonly transactionTimeoutMs: number;
  /** Returns the transaction of one run of a task. Sends nothing to the database yet. */
  open(claim: Claim): LedgerTransaction;
  /**
   * Records an outcome that has no effect beside it. Returns the row that stands by the ledger rule: this one, or an
   * earlier one.
   *
   * Waits for an open transaction on the same task id. Throws when the database cannot answer.
   */
  record(row: OutcomeRow): Promise<OutcomeRow>;
  /** Returns the committed row of a task. Throws when the database cannot answer. */
  recall(taskId: string): Promise<OutcomeRow | undefined>;
  /**
   * Publishes a task together with `transaction`: it runs if and only if that commits. Returns the task's id.
   *
   * `options` are those of `publish`; see {@linkcode publishWith}, which takes any client's transaction.
   */
  publishWith<Options extends object>(
    transaction: Transaction,
    task: PreparableTask<Options>,
    options: NoInfer<Options>,
  ): Promise<string>;
  /** Notes that all children of a task's row were published. Throws when the database cannot answer. */
  markPublished(taskId: string): Promise<void>;
  /**
   * The cause of an error. `again`: serialisation failure or deadlock. `gone`: connection or database lost. `doubtful`:
   * a table or a right is missing, see `check`. `failed`: the task's own failure.
   */
  classify(error: unknown): "again" | "gone" | "doubtful" | "failed";
  /** Throws if no task can be recorded now: the server does not answer, or the schema is not as it must be. */
  check(): Promise<void>;
}

/** Longest wait for an answer beyond the longest transaction, ms. */
const GRACE_MS = 10_000;

/** The ledger over `connections`, on which no transaction lasts longer than `transactionTimeoutMs`. */
export function openLedger(
  connections: Connections,
  {
    transactionTimeoutMs,
    check,
    tracing,
  }: Pick<Ledger, "transactionTimeoutMs" | "check"> & {
    readonly tracing?: Pick<DatabaseTracing, "headers"> | undefined;
  },
): Ledger {
  // The server ends every transaction after its timeout. So a wait for another transaction ends by then, or the link is
  // cut.
  const limitMs = transactionTimeoutMs + GRACE_MS;
  return {
    transactionTimeoutMs,
    check,
    open: (claim) => new LedgerTransaction(connections, claim),
    record: (row) => connections.use(async (session) => (await insertOutcome(session, row, limitMs)) ?? row),
    publishWith: async (transaction, task, options) =>
      await insertTask(queryOf(transaction), await task.prepare(options), tracing?.headers()),
    recall: (taskId) => connections.use((session) => findOutcome(session, taskId, limitMs)),
    markPublished: (taskId) => connections.use((session) => notePublished(session, taskId, limitMs)),
    classify(error) {
      if (meansGone(error)) return "gone";
      if (meansDoubt(error)) return "doubtful";
      return meansAgain(error) ? "again" : "failed";
    },
  };
}
