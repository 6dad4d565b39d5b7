import test from "ava";
import { runSql } from "@muster/ledger/testing";
import { startTestServer } from "../testing/mod.ts";
import { listActivePilots, writeOffPilots } from "./active_pilots.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("a VO's active pilots are counted and written off; its ended ones and those of others stay as they are", async (t) => {
  await using database = await server.open();
  t.deepEqual(await database.transaction(listActivePilots), []);
  await runSql(
    database,
    `insert into pilot (ce_name, vo, status, task_id, active_before, capacity_read) values
       ('ce01', 'gone', 'SUBMITTED', 'a', 0, 9), ('ce02', 'gone', 'RUNNING', 'b', 0, 9), ('ce01', 'gone', 'DONE', 'c', 0, 9),
       ('ce01', 'lhcb', 'RUNNING', 'd', 0, 9), ('ce01', 'atlas', 'FAILED', 'e', 0, 9)`,
  );
  t.deepEqual(await database.transaction(listActivePilots), [
    { vo: "gone", active: 2 },
    { vo: "lhcb", active: 1 },
  ]);
  t.is(await database.transaction((transaction) => writeOffPilots(transaction, "gone")), 2);
  t.is(await database.transaction((transaction) => writeOffPilots(transaction, "gone")), 0);
  t.deepEqual(await runSql(database, "select task_id, status from pilot order by task_id"), [
    { task_id: "a", status: "FAILED" },
    { task_id: "b", status: "FAILED" },
    { task_id: "c", status: "DONE" },
    { task_id: "d", status: "RUNNING" },
    { task_id: "e", status: "FAILED" },
  ]);
});
