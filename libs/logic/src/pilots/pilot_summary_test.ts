import test from "ava";
import { runSql } from "@muster/ledger/testing";
import { startTestServer } from "../testing/mod.ts";
import { getMaxActiveOverCapacity, getPilotShares, getPilotSummary } from "./pilot_summary.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const insert = "insert into pilot (ce_name, vo, status, task_id, active_before, capacity_read) values";

test("everything is empty at first", async (t) => {
  await using database = await server.open();
  t.deepEqual(await database.transaction(getPilotSummary), {});
  t.deepEqual(await database.transaction(getPilotShares), []);
  t.is(await database.transaction(getMaxActiveOverCapacity), 0);
});

test("pilots are counted by status, and by CE and VO", async (t) => {
  await using database = await server.open();
  await runSql(
    database,
    `${insert} ('ce01', 'lhcb', 'SUBMITTED', 'a', 0, 9), ('ce01', 'lhcb', 'DONE', 'b', 0, 9),
       ('ce01', 'atlas', 'DONE', 'c', 0, 9), ('ce02', 'lhcb', 'RUNNING', 'd', 0, 9), ('ce02', 'lhcb', 'FAILED', 'e', 0, 9)`,
  );
  t.deepEqual(await database.transaction(getPilotSummary), { SUBMITTED: 1, RUNNING: 1, DONE: 2, FAILED: 1 });
  t.deepEqual(await database.transaction(getPilotShares), [
    { ceName: "ce01", vo: "atlas", submitted: 0, running: 0, done: 1, failed: 0 },
    { ceName: "ce01", vo: "lhcb", submitted: 1, running: 0, done: 1, failed: 0 },
    { ceName: "ce02", vo: "lhcb", submitted: 0, running: 1, done: 0, failed: 1 },
  ]);
});

test("a breach of capacity is found by what its own submission read", async (t) => {
  await using database = await server.open();
  await runSql(database, `${insert} ('ce01', 'lhcb', 'DONE', 'a', 1, 2), ('ce01', 'lhcb', 'DONE', 'b', 4, 3)`);
  t.is(await database.transaction(getMaxActiveOverCapacity), 2);
});
