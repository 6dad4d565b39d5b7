import type { Ledger, LedgerTransaction, OutcomeRow } from "../definition/ledger.ts";
import { covers } from "../run/identify.ts";

/** A ledger in the memory of a test. */
export interface MemoryLedger<Transaction> extends Ledger<Transaction> {
  /** The rows that stand, the one that was written last behind all others. */
  rows(): readonly OutcomeRow[];
}

/** What stands in for a transaction. */
export interface MemoryLedgerOptions<Transaction> {
  /** Returns what a run gets as its transaction. Default: a run that asks for one fails. */
  begin?(): Transaction;
}

function noTransaction(task: string): never {
  throw new Error(
    `Cannot open a transaction for ${task}: this test has no database; give runTask a ledger, or deps that need no transaction`,
  );
}

/**
 * A ledger for tests without a database. It keeps the ledger's rule: the first row of an attempt wins, and only `retry` and `dead` give way to a
 * higher one. What a run does to its transaction is not rolled back: there is no database behind it.
 *
 * ```ts
 * const played = memoryLedger({ begin: () => ({ statements: [] }) });
 * ```
 */
export function memoryLedger<Transaction = undefined>(
  options: MemoryLedgerOptions<Transaction> = {},
): MemoryLedger<Transaction> {
  const rows = new Map<string, OutcomeRow>();

  /** Writes the row, or returns the one that stands before it. */
  function write(row: OutcomeRow): OutcomeRow {
    const standing = rows.get(row.taskId);
    if (standing !== undefined && covers(standing, row.attempt)) return standing;
    rows.delete(row.taskId);
    rows.set(row.taskId, row);
    return row;
  }

  function open(task: string): LedgerTransaction<Transaction> {
    let begun: Transaction | undefined;
    return {
      async transaction() {
        begun ??= options.begin === undefined ? noTransaction(task) : options.begin();
        return begun;
      },
      async commit(row) {
        const standing = write(row);
        return { kind: standing === row ? "committed" : "earlier", row: standing };
      },
      rollback: async () => {},
      keepAwake: async () => {},
      destroy: async () => {},
      gone: () => undefined,
    };
  }

  return {
    rows: () => [...rows.values()],
    open: ({ task }) => open(task),
    record: async (row) => write(row),
    recall: async (taskId) => rows.get(taskId),
    markPublished: async () => {},
    classify: () => "failed",
  };
}
