import test from "ava";
import { outcome, runSql, startTestServer } from "../testing/mod.ts";
import { getOutcomeSummary, listUnpublished, pruneLedger } from "./reports.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const child = { taskId: "t/a", task: "MyPilotTask", vo: "lhcb", payload: { ceName: "ce01" } };

test("the ledger is counted by outcome, and empty at first", async (t) => {
  await using database = await server.open();
  t.deepEqual(await database.transaction(getOutcomeSummary), {});
  await database.ledger.record(outcome("t1"));
  await database.ledger.record(outcome("t2"));
  await database.ledger.record(outcome("t3", { outcome: "dead", errors: ["no"] }));
  t.deepEqual(await database.transaction(getOutcomeSummary), { done: 2, dead: 1 });
});

test("rows whose children were not marked published for five minutes are listed, oldest first", async (t) => {
  await using database = await server.open();
  for (const taskId of ["young", "marked", "old", "older"]) {
    await database.ledger.record(outcome(taskId, { spawned: [child] }));
  }
  await database.ledger.record(outcome("childless"));
  await database.ledger.markPublished("marked");
  await runSql(database, "update task_outcome set settled_at = now() - interval '6 minutes' where task_id <> 'young'");
  await runSql(database, "update task_outcome set settled_at = now() - interval '7 minutes' where task_id = 'older'");
  const listed = await database.transaction((transaction) => listUnpublished(transaction));
  t.deepEqual(listed, [outcome("older", { spawned: [child] }), outcome("old", { spawned: [child] })]);
  t.is((await database.transaction((transaction) => listUnpublished(transaction, 1))).length, 1);
});

test("rows are pruned when 30 days old, in bounded steps, but for those still to be acted upon", async (t) => {
  await using database = await server.open();
  const later = new Date(Date.now() + 86_400_000).toISOString();
  await database.ledger.record(outcome("waiting", { outcome: "retry", dueAt: later, errors: ["no"] }));
  await database.ledger.record(outcome("unpublished", { spawned: [child] }));
  for (const taskId of ["a", "b", "c", "young"]) await database.ledger.record(outcome(taskId));
  await runSql(database, "update task_outcome set settled_at = now() - interval '31 days' where task_id <> 'young'");
  const prune = (limit?: number) => database.transaction((transaction) => pruneLedger(transaction, limit));
  t.deepEqual([await prune(2), await prune(2), await prune()], [2, 1, 0]);
  t.deepEqual(await runSql(database, "select task_id from task_outcome order by task_id"), [
    { task_id: "unpublished" },
    { task_id: "waiting" },
    { task_id: "young" },
  ]);
});
