import test from "ava";
import type { Database } from "../open_database.ts";
import { outcome, readsOf, runSql, startTestServer } from "../testing/mod.ts";
import { createOutcomeTally } from "./outcome_tally.ts";
import { getOutcomeSummary, listRetries, listUnpublished, pruneLedger } from "./reports.ts";
import { countOutcomesSince } from "./store_mark.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const dueAt = new Date(Date.now() + 3_600_000).toISOString();

/** Puts up `count` outcomes that were settled an hour ago, and ten young ones. */
async function fill(database: Database, count: number): Promise<void> {
  await runSql(
    database,
    `insert into task_outcome (task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors, settled_at, published_at)
     select md5(n::text), 'A', 'lhcb', '', 1, (array['done', 'dropped', 'cancelled'])[n % 3 + 1], 'null', '[]', '[]',
       now() - interval '1 minute' * case when n <= ${count} then 60 else 1 end, now()
     from generate_series(1, ${count + 10}) n;
     analyze task_outcome`,
  );
}

test("a tally is the count of all rows at each look, whatever was new, came again or grew old meanwhile", async (t) => {
  await using database = await server.open();
  const tally = createOutcomeTally({ settledAfterMs: 0 });
  const same = async (why: string) =>
    t.deepEqual(await database.transaction((to) => tally.read(to)), await database.transaction(getOutcomeSummary), why);
  await same("an empty ledger");
  await fill(database, 50);
  await same("what was there at the first look with rows");
  await database.ledger.record(outcome("retried", { outcome: "retry", dueAt }));
  await database.ledger.record(outcome("given up", { outcome: "dead" }));
  await database.ledger.record(outcome("new", { outcome: "done" }));
  await same("new rows");
  await database.ledger.record(outcome("retried", { outcome: "done", attempt: 2 }));
  await database.ledger.record(outcome("given up", { outcome: "done", attempt: 2 }));
  await same("rows that were replaced");
  await same("rows that were young at the look before");
  await database.ledger.record(outcome("newer", { outcome: "dropped" }));
  await same("a row that is newer than all that were counted");
});

test("a tally counts a row whose transaction began before the first look", async (t) => {
  await using database = await server.open();
  const tally = createOutcomeTally({ settledAfterMs: 0 });
  await fill(database, 20);
  await database.transaction(async (early) => {
    await early.execute("select 1");
    await database.ledger.record(outcome("between"));
    await database.transaction((to) => tally.read(to));
    await early.execute(
      `insert into task_outcome (task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors)
       values ('early', 'A', 'lhcb', '', 1, 'done', 'null', '[]', '[]')`,
    );
  });
  t.deepEqual(await database.transaction((to) => tally.read(to)), await database.transaction(getOutcomeSummary));
});

test("what is asked again and again reads as much beside 40,000 outcomes as beside 2,000", async (t) => {
  const asked = async (count: number) => {
    await using database = await server.open();
    await fill(database, count);
    const tally = createOutcomeTally();
    await database.transaction((to) => tally.read(to));
    const since = new Date(Date.now() - 5 * 60_000);
    return {
      tally: await readsOf(database, (to) => tally.read(to)),
      "lost retries": await readsOf(database, (to) => listRetries(to, { after: "", limit: 100 })),
      "forgotten children": await readsOf(database, (to) => listUnpublished(to)),
      pruning: await readsOf(database, (to) => pruneLedger(to)),
      "a fall": await readsOf(database, (to) => countOutcomesSince(to, since)),
    };
  };
  const [few, many] = [await asked(2_000), await asked(40_000)];
  t.log(few, many);
  for (const [what, before] of Object.entries(few)) {
    const after = Object.entries(many).find(([each]) => each === what)?.[1];
    t.true((after?.rows ?? Number.NaN) <= before.rows + 100, what);
    t.true((after?.pages ?? Number.NaN) <= before.pages + 50, what);
  }
});
