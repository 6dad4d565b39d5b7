import test from "ava";
import { claim, outcome, runSql, startTestServer, untilWaiting } from "../testing/mod.ts";
import type { LedgerOutcome } from "../entities/task_outcome.ts";
import type { OutcomeRow } from "./outcome_row.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const dueAt = "2026-12-01T00:00:00.000Z";
function ended(how: LedgerOutcome, attempt: number): Partial<OutcomeRow> {
  return {
    outcome: how,
    attempt,
    dueAt: how === "retry" ? dueAt : null,
    errors: how === "done" ? [] : [`attempt ${attempt}`],
  };
}

for (const final of ["done", "dropped", "cancelled"] as const) {
  test(`a row ${final} stands against every later one, also of a higher attempt`, async (t) => {
    await using database = await server.open();
    const first = outcome("t1", ended(final, 1));
    t.deepEqual(await database.ledger.record(first), first);
    t.deepEqual(await database.ledger.record(outcome("t1", ended("dead", 2))), first);
    t.deepEqual(await database.ledger.record(outcome("t1", ended("done", 2))), first);
    t.deepEqual(await database.ledger.recall("t1"), first);
  });
}

for (const passing of ["retry", "dead"] as const) {
  test(`a row ${passing} gives way to a higher attempt, and to no other`, async (t) => {
    await using database = await server.open();
    const second = outcome("t1", ended(passing, 2));
    t.deepEqual(await database.ledger.record(second), second);
    t.deepEqual(await database.ledger.record(outcome("t1", ended("done", 1))), second);
    t.deepEqual(await database.ledger.record(outcome("t1", ended("done", 2))), second);
    const third = outcome("t1", ended("done", 3));
    t.deepEqual(await database.ledger.record(third), third);
    t.deepEqual(await database.ledger.recall("t1"), third);
  });
}

test("a task that has no row is not recalled", async (t) => {
  await using database = await server.open();
  t.is(await database.ledger.recall("t1"), undefined);
});

test("a row gives back what it was given, down to characters that text columns refuse", async (t) => {
  await using database = await server.open();
  const row = outcome("t1", {
    result: { nul: "\u0000", half: "\ud800", list: [1, null, { deep: "ü" }] },
    spawned: [
      { taskId: "t1/a", task: "MyPilotTask", vo: "vo.cta.in2p3.fr", payload: { ceName: "a\u0000" }, startAt: dueAt },
    ],
    errors: ["\u0000", "<b>"],
  });
  await database.ledger.record(row);
  t.deepEqual(await database.ledger.recall("t1"), row);
});

test("a second writer of the same id waits for the first one's commit, and is told its row", async (t) => {
  await using database = await server.open();
  const first = database.ledger.open(claim("t1"));
  const open = await first.transaction();
  await open.execute("insert into task_outcome select 't1', 'A', 'lhcb', '', 1, 'done', '1', '[]', '[]'");
  const second = database.ledger.record(outcome("t1", ended("dropped", 1)));
  await untilWaiting(database);
  await open.execute("commit");
  t.like(await second, { task: "A", outcome: "done", result: 1 });
  await first.rollback();
});

test("a second writer of the same id wins when the first one rolls back", async (t) => {
  await using database = await server.open();
  const first = database.ledger.open(claim("t1"));
  await (await first.transaction()).execute(
    "insert into task_outcome select 't1', 'A', 'lhcb', '', 1, 'done', '1', '[]', '[]'",
  );
  const second = database.ledger.record(outcome("t1"));
  await untilWaiting(database);
  await first.rollback();
  t.deepEqual(await second, outcome("t1"));
});

test("a row with children is unpublished until it is marked, one without never is", async (t) => {
  await using database = await server.open();
  const child = { taskId: "t1/a", task: "MyPilotTask", vo: "lhcb", payload: { ceName: "ce01" } };
  await database.ledger.record(outcome("t1", { spawned: [child] }));
  await database.ledger.record(outcome("t2"));
  const unpublished = "select task_id from task_outcome where published_at is null";
  t.deepEqual(await runSql(database, unpublished), [{ task_id: "t1" }]);
  await database.ledger.markPublished("t1");
  t.deepEqual(await runSql(database, unpublished), []);
});

test("a worker of the version before, which knows no message, records the end of a retry that a newer one has recorded", async (t) => {
  await using database = await server.open();
  const message = { body: "{}", headers: {} };
  const dueAt = "2026-08-01T00:00:00.000Z";
  await database.ledger.record(outcome("t1", { outcome: "retry", dueAt, message }));
  await runSql(
    database,
    `insert into task_outcome (task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors, due_at)
     values ('t1', 'MyPilotTask', 'lhcb', '0', 2, 'done', 'null', '[]', '[]', null)
     on conflict (task_id) do update set attempt = excluded.attempt, outcome = excluded.outcome, due_at = excluded.due_at`,
  );
  t.like(await database.ledger.recall("t1"), { attempt: 2, outcome: "done" });
});
