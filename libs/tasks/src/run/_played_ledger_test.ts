import type { Ledger, LedgerTransaction } from "../definition/ledger.ts";

/** A ledger that knows of nothing, whose transactions do what `transaction` says and else nothing. */
export function playedLedger(
  transaction: Partial<LedgerTransaction<unknown>> & Pick<LedgerTransaction<unknown>, "commit">,
): Ledger<unknown> {
  return {
    open: () => ({
      transaction: async () => undefined,
      rollback: async () => {},
      keepAwake: async () => {},
      destroy: async () => {},
      gone: () => undefined,
      ...transaction,
    }),
    record: async (row) => row,
    recall: async () => undefined,
    markPublished: async () => {},
    classify: (error) => (error instanceof Error && error.message === "again" ? "again" : "failed"),
  };
}
