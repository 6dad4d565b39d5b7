import { sql } from "kysely";
import type { Transaction } from "../database/transaction.ts";
import type { LedgerOutcome } from "../entities/task_outcome.ts";
import type { OutcomeSummary } from "./reports.ts";

/**
 * Counts the ledger's rows by outcome again and again. The first look reads all rows. Each later one reads those of the last 15 minutes, and
 * those that may still change.
 */
export interface OutcomeTally {
  /** Rows that were pruned since the first look still count. */
  read(transaction: Transaction): Promise<OutcomeSummary>;
}

/** Age from which a row is counted once and for all, ms. */
const SETTLED_AFTER_MS = 15 * 60_000;
/** The outcomes that no later attempt replaces. */
const FINAL = ["done", "dropped", "cancelled"] as const;

interface Counted {
  readonly outcome: LedgerOutcome;
  /** Rows that were settled before `border`. */
  readonly old: number;
  readonly young: number;
  readonly border: Date;
}

/**
 * Makes a tally for one process.
 *
 * ```ts
 * const tally = createOutcomeTally();
 * const { done = 0 } = await database.transaction((transaction) => tally.read(transaction));
 * ```
 */
export function createOutcomeTally({
  settledAfterMs = SETTLED_AFTER_MS,
}: {
  /** Age from which a row is counted once and for all, ms; default 15 minutes. */
  readonly settledAfterMs?: number;
} = {}): OutcomeTally {
  /** Rows that were settled before `counted.upTo`. `read` alone writes it. */
  let counted: { readonly upTo: Date; readonly of: ReadonlyMap<LedgerOutcome, number> } | undefined;

  return {
    async read(transaction) {
      const kysely = transaction.getKysely();
      const before = counted;
      const from = before?.upTo ?? "-infinity";
      const { rows } = await sql<Counted>`
        with border as (
          -- A row bears the time at which its transaction began, and one that is older may still commit.
          select greatest(
            date_trunc('milliseconds', least(now() - ${settledAfterMs} * interval '1 millisecond', min(xact_start))),
            ${from}::timestamptz
          ) as at
          from pg_stat_activity where datname = current_database()
        )
        select outcome, border.at as border,
          count(*) filter (where settled_at < border.at) as old, count(*) filter (where settled_at >= border.at) as young
        from task_outcome, border
        where outcome in ('done', 'dropped', 'cancelled') and settled_at >= ${from}::timestamptz
        group by outcome, border.at`.execute(kysely);
      const standing = await sql<{ outcome: LedgerOutcome; count: number }>`
        select 'retry' as outcome, count(*) as count from task_outcome where outcome = 'retry'
        union all select 'dead', count(*) from task_outcome where outcome = 'dead'`.execute(kysely);

      const of = (outcome: LedgerOutcome) => rows.find((row) => row.outcome === outcome);
      const base = (outcome: LedgerOutcome) => before?.of.get(outcome) ?? 0;
      const [first] = rows;
      if (first !== undefined) {
        counted = { upTo: first.border, of: new Map(FINAL.map((each) => [each, base(each) + (of(each)?.old ?? 0)])) };
      }
      const summed = [
        ...FINAL.map((each) => ({
          outcome: each,
          count: base(each) + (of(each)?.old ?? 0) + (of(each)?.young ?? 0),
        })),
        ...standing.rows,
      ];
      return Object.fromEntries(summed.filter(({ count }) => count > 0).map(({ outcome, count }) => [outcome, count]));
    },
  };
}
