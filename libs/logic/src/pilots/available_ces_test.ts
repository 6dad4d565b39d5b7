import test from "ava";
import { addCe, disableCe } from "../ces/administer_ces.ts";
import type { Database } from "@muster/ledger";
import { outcome, readsOf, runSql } from "@muster/ledger/testing";
import { startTestServer } from "../testing/mod.ts";
import { type AvailableCe, getAvailableCes } from "./available_ces.ts";
import { dropRequests, listOldRequests, requestPilots } from "./pilot_requests.ts";
import { submitPilot } from "./submit_pilot.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

async function openWithCes(ces: Record<string, number>, vos: string[] | null = null): Promise<Database> {
  const database = await server.open();
  for (const [name, capacity] of Object.entries(ces)) {
    await database.transaction((transaction) => addCe(transaction, { name, capacity, successRate: 1, vos }));
  }
  return database;
}

function available(database: Database, vo = "lhcb"): Promise<readonly AvailableCe[]> {
  return database.transaction((transaction) => getAvailableCes(transaction, { vo }));
}

function submit(database: Database, ceName: string, taskId: string) {
  const order = { ceName, vo: "atlas", taskId, random: () => 0 };
  return database.transaction((transaction) => submitPilot(transaction, order));
}

function request(database: Database, ceName: string, ...taskIds: string[]): Promise<void> {
  const requests = taskIds.map((taskId) => ({ taskId, ceName, vo: "lhcb" }));
  return database.transaction((transaction) => requestPilots(transaction, requests));
}

test("two enabled CEs are available, a disabled one and a full one are not, and one pilot done frees one slot", async (t) => {
  await using database = await openWithCes({ "ce.a": 2, "ce.b": 3, "ce.disabled": 5, "ce.full": 1 });
  await database.transaction((transaction) => disableCe(transaction, "ce.disabled"));
  await submit(database, "ce.full", "t1");
  const both = [
    { name: "ce.a", availableSlots: 2 },
    { name: "ce.b", availableSlots: 3 },
  ];
  t.deepEqual(await available(database), both);
  await runSql(database, "update pilot set status = 'DONE'");
  t.deepEqual(await available(database), [...both, { name: "ce.full", availableSlots: 1 }]);
});

test("a CE limited to other VOs is not available", async (t) => {
  await using database = await openWithCes({ ce01: 2 }, ["atlas", "vo.cta.in2p3.fr"]);
  t.deepEqual(await available(database, "lhcb"), []);
  t.deepEqual(await available(database, "vo.cta.in2p3.fr"), [{ name: "ce01", availableSlots: 2 }]);
});

test("I16: a request takes its slot from its own VO until its task has an outcome", async (t) => {
  await using database = await openWithCes({ ce01: 3 });
  await request(database, "ce01", "c1", "c2");
  t.deepEqual(await available(database), [{ name: "ce01", availableSlots: 1 }]);
  t.deepEqual(await available(database, "atlas"), [{ name: "ce01", availableSlots: 3 }]);
  await database.ledger.record(outcome("c1", { outcome: "dropped", errors: ["no"] }));
  t.deepEqual(await available(database), [{ name: "ce01", availableSlots: 2 }]);
});

test("a pilot and the request that led to it do not take two slots", async (t) => {
  await using database = await openWithCes({ ce01: 3 });
  await request(database, "ce01", "c1");
  await submit(database, "ce01", "c1");
  await database.ledger.record(outcome("c1"));
  t.deepEqual(await available(database), [{ name: "ce01", availableSlots: 2 }]);
});

test("noting a request again changes nothing, and requests that were answered are forgotten", async (t) => {
  await using database = await openWithCes({ ce01: 9 });
  await request(database, "ce01", "c1", "c2");
  await request(database, "ce01", "c1", "c2");
  await request(database, "ce01");
  await database.ledger.record(outcome("c1"));
  await request(database, "ce01", "c3");
  t.deepEqual(await runSql(database, "select task_id from pilot_request order by task_id"), [
    { task_id: "c2" },
    { task_id: "c3" },
  ]);
});

test("a request is old after ten minutes without an outcome, and is dropped by its id", async (t) => {
  await using database = await openWithCes({ ce01: 9 });
  await request(database, "ce01", "old", "older", "answered", "young");
  await runSql(
    database,
    "update pilot_request set requested_at = now() - interval '11 minutes' where task_id <> 'young'",
  );
  await database.ledger.record(outcome("answered"));
  const list = (after: string) =>
    database.transaction((transaction) => listOldRequests(transaction, { after, limit: 10 }));
  t.deepEqual(
    (await list("")).map(({ taskId }) => taskId),
    ["old", "older"],
  );
  t.deepEqual(
    (await list("old")).map(({ taskId }) => taskId),
    ["older"],
  );
  t.is(await database.transaction((transaction) => dropRequests(transaction, [])), 0);
  t.is(await database.transaction((transaction) => dropRequests(transaction, ["old"])), 1);
  t.deepEqual(await runSql(database, "select task_id from pilot_request order by task_id"), [
    { task_id: "answered" },
    { task_id: "older" },
    { task_id: "young" },
  ]);
});

test("what is active and what was asked for is counted once for each CE", async (t) => {
  await using database = await server.open();
  await database.transaction((to) => addCe(to, { name: "ce01", capacity: 5_000, successRate: 1 }));
  await runSql(
    database,
    `insert into pilot_request (task_id, ce_name, vo) select 'r' || n, 'ce01', 'lhcb' from generate_series(1, 1000) n;
     analyze pilot_request`,
  );
  const { rows } = await readsOf(database, async (to) => {
    await to.execute("set local enable_seqscan = off");
    await getAvailableCes(to, { vo: "lhcb" });
  });
  // Each request is an entry of an index and a row.
  t.true(rows >= 1_000 && rows < 3_000, `${rows} rows`);
});
