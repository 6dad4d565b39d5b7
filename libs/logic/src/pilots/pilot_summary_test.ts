import test from "ava";
import { runSql } from "@muster/ledger/testing";
import { startTestServer } from "../testing/mod.ts";
import { countPilots, listCeSlots } from "./pilot_counts.ts";
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

test("pilots are counted by CE and state, those of removed CEs together, beside the slots of each CE", async (t) => {
  await using database = await server.open();
  await runSql(
    database,
    `insert into compute_element (name, capacity, success_rate, enabled) values ('ce01', 5, 1, true), ('ce02', 7, 1, false);
     ${insert} ('ce01', 'lhcb', 'DONE', 'a', 0, 9), ('ce01', 'atlas', 'DONE', 'b', 0, 9), ('ce01', 'lhcb', 'RUNNING', 'c', 0, 9),
       ('gone1', 'lhcb', 'DONE', 'd', 0, 9), ('gone2', 'lhcb', 'DONE', 'e', 0, 9)`,
  );
  t.deepEqual(await database.transaction(countPilots), [
    { ceName: "ce01", status: "DONE", count: 2 },
    { ceName: "ce01", status: "RUNNING", count: 1 },
    { ceName: null, status: "DONE", count: 2 },
  ]);
  t.deepEqual(await database.transaction(listCeSlots), [
    { ceName: "ce01", capacity: 5, enabled: true },
    { ceName: "ce02", capacity: 7, enabled: false },
  ]);
});

test("a breach of capacity is found by what its own submission read", async (t) => {
  await using database = await server.open();
  await runSql(database, `${insert} ('ce01', 'lhcb', 'DONE', 'a', 1, 2), ('ce01', 'lhcb', 'DONE', 'b', 4, 3)`);
  t.is(await database.transaction(getMaxActiveOverCapacity), 2);
});
