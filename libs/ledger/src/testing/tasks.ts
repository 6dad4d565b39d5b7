import { setTimeout as pause } from "node:timers/promises";
import type { Fence } from "../ledger/fence.ts";
import type { OutcomeRow } from "../ledger/outcome_row.ts";
import type { Claim } from "../ledger/ledger_transaction.ts";
import type { Database } from "../open_database.ts";

/** The claim of a MyPilotTask of VO lhcb. */
export function claim(taskId: string, ...fences: readonly Fence[]): Claim {
  return { taskId, task: "MyPilotTask", vo: "lhcb", attempt: 1, fences };
}

/** The outcome `done` of a MyPilotTask of VO lhcb, or another. */
export function outcome(taskId: string, other: Partial<OutcomeRow> = {}): OutcomeRow {
  return {
    taskId,
    task: "MyPilotTask",
    vo: "lhcb",
    payloadHash: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    attempt: 1,
    outcome: "done",
    result: null,
    spawned: [],
    dueAt: null,
    errors: [],
    ...other,
  };
}

/** The fence of a lease on lock `my_pilot.<ceName>`, whose holder follows from its token. */
export function fence(ceName: string, fencingToken: number, holder = `holder-${fencingToken}`): Fence {
  return { key: `my_pilot.${ceName}`, fencingToken, holder };
}

/** Runs SQL outside any task, e.g. to play an operator or to look at rows. */
export async function runSql<Row extends object>(database: Database, sql: string): Promise<Row[]> {
  return database.transaction((transaction) => transaction.execute<Row[]>(sql));
}

/** Longest wait for a row on a machine that may be busy, ms. */
const PATIENCE_MS = 120_000;

/**
 * Resolves once `query` finds a row; throws after two minutes. For states that PostgreSQL does not announce, so that only
 * asking shows them.
 */
export async function untilRow(database: Database, query: string): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while ((await runSql(database, query)).length === 0) {
    if (performance.now() > until) throw new Error(`Cannot find a row in ${PATIENCE_MS} ms: ${query}`);
    await pause(5);
  }
}

/** Resolves once `count` connections of this database wait for a lock. */
export async function untilWaiting(database: Database, count = 1): Promise<void> {
  await untilRow(
    database,
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
     having count(*) >= ${count}`,
  );
}
