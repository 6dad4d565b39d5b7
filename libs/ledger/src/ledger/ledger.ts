import type { Connections } from "../database/connections.ts";
import { meansAgain, meansDoubt, meansGone } from "../database/failures.ts";
import type { OutcomeRow } from "./outcome_row.ts";
import { findOutcome, insertOutcome, notePublished } from "./outcomes.ts";
import { type Claim, LedgerTransaction } from "./ledger_transaction.ts";

/** Where tasks get their transactions and leave their outcomes. Made by {@linkcode openLedger}. */
export interface Ledger {
  /** The server ends every transaction after so long, ms: the longest timeout that a task may have. */
  readonly transactionTimeoutMs: number;
  /** The transaction of one run of a task. Nothing is sent to the database yet. */
  open(claim: Claim): LedgerTransaction;
  /**
   * Records an outcome that has no effect beside it, and returns the row that stands: this one, or an earlier one by
   * the ledger rule. Waits for an open transaction on the same task id. Throws when the database cannot answer.
   */
  record(row: OutcomeRow): Promise<OutcomeRow>;
  /** The row of a task as it is committed by now. Throws when the database cannot answer. */
  recall(taskId: string): Promise<OutcomeRow | undefined>;
  /** Notes that all children of a task's row were published. Throws when the database cannot answer. */
  markPublished(taskId: string): Promise<void>;
  /**
   * Whose an error is: `again` (serialisation failure, deadlock), `gone` (connection or database lost), `doubtful` (a
   * table or a right is missing: see `check`), else `failed`: the task's own.
   */
  classify(error: unknown): "again" | "gone" | "doubtful" | "failed";
  /** Throws why no task can be recorded now: the server is away, or the schema is not as it must be. */
  check(): Promise<void>;
}

/** How much longer than the longest transaction an answer may take, ms. */
const GRACE_MS = 10_000;

/** The ledger over `connections`, on which no transaction lasts longer than `transactionTimeoutMs`. */
export function openLedger(
  connections: Connections,
  { transactionTimeoutMs, check }: Pick<Ledger, "transactionTimeoutMs" | "check">,
): Ledger {
  // The server ends every transaction after its timeout, so whoever waits for one has an answer then, or the link is
  // cut.
  const limitMs = transactionTimeoutMs + GRACE_MS;
  return {
    transactionTimeoutMs,
    check,
    open: (claim) => new LedgerTransaction(connections, claim),
    record: (row) => connections.use(async (session) => (await insertOutcome(session, row, limitMs)) ?? row),
    recall: (taskId) => connections.use((session) => findOutcome(session, taskId, limitMs)),
    markPublished: (taskId) => connections.use((session) => notePublished(session, taskId, limitMs)),
    classify(error) {
      if (meansGone(error)) return "gone";
      if (meansDoubt(error)) return "doubtful";
      return meansAgain(error) ? "again" : "failed";
    },
  };
}
