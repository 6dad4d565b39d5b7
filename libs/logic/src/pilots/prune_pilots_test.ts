import test from "ava";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Database, openDatabase } from "@muster/ledger";
import { runSql, untilWaiting } from "@muster/ledger/testing";
import { addCe, removeCe } from "../ces/administer_ces.ts";
import { listCes } from "../ces/list_ces.ts";
import { pilotTables } from "../schema/pilot_tables.ts";
import { startTestServer } from "../testing/mod.ts";
import { writeOffPilots } from "./active_pilots.ts";
import { countPilots } from "./pilot_counts.ts";
import { getMaxActiveOverCapacity, getPilotShares, getPilotSummary } from "./pilot_summary.ts";
import { prunePilots } from "./prune_pilots.ts";
import { transitionPilotStates } from "./transition_pilots.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const DAY_MS = 86_400_000;
const INSERT = "insert into pilot (ce_name, vo, status, task_id, active_before, capacity_read)";

/** Pilots of two VOs at two CEs. Some of them have ended, and one CE was removed. */
async function openWithHistory(url: string): Promise<Database> {
  const database = await openDatabase({ url, tables: [pilotTables] });
  for (const name of ["ce01", "ce02", "gone"]) {
    await database.transaction((to) => addCe(to, { name, capacity: 100, successRate: 0.5 }));
  }
  await runSql(
    database,
    `${INSERT} select (array['ce01', 'ce02', 'gone'])[n % 3 + 1], 'vo' || n % 2, 'RUNNING', 'r' || n, 0, 9 from generate_series(1, 60) n;
     ${INSERT} select 'ce01', 'vo0', 'DONE', 'd' || n, 0, 9 from generate_series(1, 7) n`,
  );
  for (const vo of ["vo0", "vo1"]) {
    await database.transaction((to) => transitionPilotStates(to, { vo, random: () => 0.3 }));
  }
  await database.transaction((to) => removeCe(to, "gone"));
  await runSql(
    database,
    `${INSERT} select 'ce01', 'lost', 'SUBMITTED', 'l' || n, 0, 9 from generate_series(1, 5) n;
     ${INSERT} select 'ce02', 'vo1', 'RUNNING', 's' || n, 0, 9 from generate_series(1, 3) n`,
  );
  await database.transaction((to) => writeOffPilots(to, "lost"));
  return database;
}

/** Lets all pilots that there are now have been submitted, and have ended, so many days ago. */
async function age(database: Database, days: number): Promise<void> {
  const ago = `interval '${days} days'`;
  await runSql(database, `update pilot set submitted_at = submitted_at - ${ago}, updated_at = updated_at - ${ago}`);
}

/** All that is told of numbers of pilots. */
async function told(database: Database) {
  return {
    summary: await database.transaction(getPilotSummary),
    shares: await database.transaction(getPilotShares),
    ces: await database.transaction(listCes),
    metrics: await database.transaction(countPilots),
  };
}

/** Prunes to the end, in looks of five rows. Returns how many rows were dropped. */
async function prune(database: Database, keptForMs: number): Promise<number> {
  let dropped = 0;
  for (let after: number | undefined = 0; after !== undefined; ) {
    const from: number = after;
    const pruned = await database.transaction((to) => prunePilots(to, { keptForMs, after: from, limit: 5 }));
    dropped += pruned.dropped;
    after = pruned.next;
  }
  return dropped;
}

async function countRows(database: Database, where = "true"): Promise<number> {
  const [row] = await runSql<{ count: number }>(database, `select count(*) from pilot where ${where}`);
  return row?.count ?? 0;
}

test("numbers of pilots are the counts of their rows, and stay what they are when rows are pruned", async (t) => {
  await using database = await openWithHistory(await server.createUrl());
  const rows = await runSql<{ status: string; count: number }>(
    database,
    "select status, count(*) from pilot group by 1",
  );
  const before = await told(database);
  t.deepEqual({ ...before.summary }, Object.fromEntries(rows.map(({ status, count }) => [status, count])));
  await age(database, 31);
  t.is(await prune(database, 30 * DAY_MS), 72);
  t.is(await countRows(database), 3, "active ones stay");
  t.deepEqual(await told(database), before);
});

test("only pilots that ended long enough ago are dropped, whenever they were submitted", async (t) => {
  await using database = await openWithHistory(await server.createUrl());
  await age(database, 31);
  await runSql(database, "update pilot set updated_at = now() where vo = 'lost'");
  await runSql(database, `${INSERT} values ('ce01', 'vo0', 'DONE', 'young', 0, 9)`);
  t.is(await prune(database, 30 * DAY_MS), 67);
  t.is(await countRows(database, "vo = 'lost'"), 5);
  t.is(await countRows(database, "task_id = 'young'"), 1);
});

test("a breach of capacity stays proven: its row is not pruned", async (t) => {
  await using database = await openWithHistory(await server.createUrl());
  await runSql(database, `${INSERT} values ('ce01', 'vo0', 'DONE', 'breach', 9, 9)`);
  await age(database, 400);
  await prune(database, 30 * DAY_MS);
  t.is(await database.transaction(getMaxActiveOverCapacity), 1);
  t.is(await countRows(database, "task_id = 'breach'"), 1);
});

test("two that prune at once, one of which is killed, drop each row once and change no number", async (t) => {
  const url = await server.createUrl();
  await using database = await openWithHistory(url);
  const before = await told(database);
  await age(database, 31);
  const code = `
    import { openDatabase } from ${JSON.stringify(import.meta.resolve("@muster/ledger"))};
    import { prunePilots } from ${JSON.stringify(import.meta.resolve("./prune_pilots.ts"))};
    const database = await openDatabase({ url: process.argv[1] });
    await database.transaction((to) => prunePilots(to, { keptForMs: ${30 * DAY_MS}, after: 0 }));`;
  await using holders = await openDatabase({ url, idleInTransactionTimeoutMs: 0 });
  const { other } = await holders.transaction(async (holder) => {
    // Both stand still before this row: the first has dropped rows and may not keep it so yet, and the second waits for the first.
    await holder.execute("select from pilot where task_id = 'l5' for update");
    const doomed = spawn(process.execPath, ["--input-type=module", "--eval", code, url], { stdio: "ignore" });
    await untilWaiting(database, 1);
    const pruning = prune(database, 30 * DAY_MS);
    await untilWaiting(database, 2);
    doomed.kill("SIGKILL");
    await once(doomed, "exit");
    return { other: pruning };
  });
  t.is(await other, 72);
  t.is(await countRows(database), 3);
  t.deepEqual(await told(database), before);
});

test("an app of the version before counts too: each change of a row's status or CE changes the number", async (t) => {
  await using database = await openWithHistory(await server.createUrl());
  const before = await told(database);
  await runSql(database, "update pilot set status = 'DONE', updated_at = now() where task_id = 's1'");
  await runSql(database, "update pilot set ce_name = 'ce03' where ce_name = 'ce02' and status = 'DONE'");
  const after = await told(database);
  t.is(after.summary.DONE, (before.summary.DONE ?? 0) + 1);
  t.is(after.summary.RUNNING, 2);
  const rows = await runSql(
    database,
    `select ce_name, vo, status, count(*) from pilot where status in ('DONE', 'FAILED') group by 1, 2, 3 order by 1, 2, 3`,
  );
  t.deepEqual(await runSql(database, "select * from pilot_ended where count <> 0 order by 1, 2, 3"), rows);
});
