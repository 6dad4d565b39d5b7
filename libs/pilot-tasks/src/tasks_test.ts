import { startTestNatsServer } from "@muster/local";
import { type Database, getHighestFence, openDatabase, type Transaction } from "@muster/ledger";
import {
  addCe,
  disableCe,
  getMaxActiveOverCapacity,
  getPilotSummary,
  PilotSubmissionError,
  seededRandom,
  pilotTables,
} from "@muster/logic";
import { runSql, startProxy, untilWaiting } from "@muster/ledger/testing";
import { startTestServer } from "@muster/logic/testing";
import { callTask, connectNats, type JsonObject, openBroker } from "@muster/tasks";
import { assertDone, assertSpawned, runTask } from "@muster/tasks/testing";
import test from "ava";
import {
  MyCheckPilotsTask,
  MyPilotReportTask,
  MyPilotTask,
  MySubmitPilotsTask,
  type PilotDeps,
  type PilotDepsOptions,
  pilotDeps,
} from "./mod.ts";

const [postgres, nats] = await Promise.all([startTestServer(), startTestNatsServer()]);
const nc = await connectNats({ url: nats.url, name: "pilot-tasks test" });
const broker = await openBroker(nc);
test.after.always(async () => {
  await nc.close();
  await nats[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

interface Call extends PilotDepsOptions {
  readonly task: typeof MyPilotTask | typeof MyCheckPilotsTask | typeof MyPilotReportTask | typeof MySubmitPilotsTask;
  readonly vo?: string;
  readonly payload?: JsonObject;
}

/** Runs one task with its real locks, transaction and ledger row. */
function call(database: Database, { task, vo, payload = {}, ...options }: Call) {
  return callTask<Transaction, PilotDeps>({
    broker,
    nats,
    task,
    vo,
    payload,
    ledger: database.ledger,
    deps: pilotDeps(options),
    highestFence: () => database.transaction(getHighestFence),
  });
}

async function openWithCes(ces: Record<string, { capacity: number; successRate?: number }>): Promise<Database> {
  const database = await postgres.open();
  for (const [name, settings] of Object.entries(ces)) {
    await database.transaction((transaction) => addCe(transaction, { name, successRate: 1, ...settings }));
  }
  return database;
}

/** How many MyPilotTask of a VO wait in the stream. */
async function countWaiting(vo: string): Promise<number> {
  const { state } = await broker.jsm.streams.info("TASKS", { subjects_filter: `tasks.MyPilotTask.${vo}` });
  return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}

test("at success rate 1 the pilot task submits once and returns the pilot's id", async (t) => {
  const ceName = "ce01.cern.ch:9619/condor";
  await using database = await openWithCes({ [ceName]: { capacity: 1 } });
  const { taskId, result } = await call(database, { task: MyPilotTask, vo: "vo.cta.in2p3.fr", payload: { ceName } });
  t.deepEqual(await runSql(database, "select id, ce_name, vo, task_id, status from pilot"), [
    { id: 1, ce_name: ceName, vo: "vo.cta.in2p3.fr", task_id: taskId, status: "SUBMITTED" },
  ]);
  t.deepEqual(result, { kind: "submitted", pilotId: 1 });
  t.like(await database.ledger.recall(taskId), { task: "MyPilotTask", outcome: "done", result });
});

test("at success rate 0 the pilot task fails with PilotSubmissionError and writes nothing", async (t) => {
  await using database = await openWithCes({ ce02: { capacity: 1, successRate: 0 } });
  const pilot = call(database, { task: MyPilotTask, vo: "lhcb", payload: { ceName: "ce02" } });
  await t.throwsAsync(pilot, { instanceOf: PilotSubmissionError });
  t.deepEqual(await database.transaction(getPilotSummary), {});
  t.deepEqual(await runSql(database, "select 1 from task_outcome"), []);
});

test("a full CE ends the pilot task without a failure and without a pilot", async (t) => {
  await using database = await openWithCes({ ce03: { capacity: 1 } });
  const pilot = { task: MyPilotTask, vo: "lhcb", payload: { ceName: "ce03" } };
  await call(database, pilot);
  t.deepEqual((await call(database, { ...pilot, vo: "atlas" })).result, { kind: "full", active: 1, capacity: 1 });
  t.deepEqual(await database.transaction(getPilotSummary), { SUBMITTED: 1 });
});

test("pilot tasks of many VOs at one CE of capacity 2 at once: never three active", async (t) => {
  await using database = await openWithCes({ ce04: { capacity: 2 } });
  const vos = ["lhcb", "atlas", "cms", "alice", "vo.cta.in2p3.fr"];
  const called = await Promise.all(
    vos.map((vo) => call(database, { task: MyPilotTask, vo, payload: { ceName: "ce04" } })),
  );
  const kinds = called.map(({ result }) => (result as { kind: string }).kind).sort();
  t.deepEqual(kinds, ["full", "full", "full", "submitted", "submitted"]);
  t.is(await database.transaction(getMaxActiveOverCapacity), 0);
});

test("the report returns the summary and logs it, with one query besides its ledger row", async (t) => {
  await using proxy = await startProxy(await postgres.createUrl());
  await using database = await openDatabase({ url: proxy.url, tables: [pilotTables] });
  const logged: unknown[] = [];
  const report = { task: MyPilotReportTask, log: (...line: unknown[]) => void logged.push(line) };
  t.deepEqual((await call(database, report)).result, {});

  await database.transaction((transaction) => addCe(transaction, { name: "ce05", capacity: 1, successRate: 1 }));
  await call(database, { task: MyPilotTask, vo: "lhcb", payload: { ceName: "ce05" } });
  const sentBefore = proxy.statements.length;
  t.deepEqual((await call(database, report)).result, { SUBMITTED: 1 });
  t.deepEqual(logged, [
    ["Pilots by status", {}],
    ["Pilots by status", { SUBMITTED: 1 }],
  ]);
  const asked = proxy.statements.slice(sentBefore).filter((statement) => /\bpilot\b/.test(statement));
  t.is(asked.length, 1, asked.join(";\n"));
});

test("the status round moves its VO's pilots", async (t) => {
  await using database = await openWithCes({ ce06: { capacity: 3 } });
  for (const vo of ["lhcb", "lhcb", "atlas"]) {
    await call(database, { task: MyPilotTask, vo, payload: { ceName: "ce06" } });
  }
  const round = { task: MyCheckPilotsTask, vo: "lhcb", random: seededRandom(1) };
  t.deepEqual((await call(database, round)).result, { done: 0, failed: 0, started: 2 });
  t.deepEqual((await call(database, round)).result, { done: 2, failed: 0, started: 0 });
  t.deepEqual(await database.transaction(getPilotSummary), { SUBMITTED: 1, DONE: 2 });
});

test("the submit task spawns exactly one child per free slot, each noted and each with its own id", async (t) => {
  await using database = await openWithCes({ ce07: { capacity: 2 }, ce08: { capacity: 3 }, ce09: { capacity: 9 } });
  await database.transaction((transaction) => disableCe(transaction, "ce09"));
  await call(database, { task: MyPilotTask, vo: "atlas", payload: { ceName: "ce07" } });
  const { taskId, result, spawned } = await call(database, { task: MySubmitPilotsTask, vo: "spawner" });
  t.deepEqual(result, { requested: 4 });
  t.is(new Set(spawned).size, 4);
  t.true(spawned.every((id) => id.startsWith(`${taskId}/`)));
  t.is(await countWaiting("spawner"), 4);
  const children = (await database.ledger.recall(taskId))?.spawned ?? [];
  t.deepEqual(children.map(({ payload }) => payload["ceName"]).sort(), ["ce07", "ce08", "ce08", "ce08"]);
  const requests = await runSql<{ task_id: string }>(database, "select task_id from pilot_request");
  t.deepEqual(requests.map(({ task_id }) => task_id).sort(), [...spawned].sort());
});

test("I16: over 100 rounds with no pilot worker the submit task asks for each slot once", async (t) => {
  await using database = await openWithCes({ ce10: { capacity: 2 }, ce11: { capacity: 3 } });
  const run = { vo: "patient", ledger: database.ledger, deps: pilotDeps() };
  assertSpawned(await runTask(MySubmitPilotsTask, run), MyPilotTask, { times: 5 });
  for (let number = 2; number <= 100; number++) {
    const outcome = await runTask(MySubmitPilotsTask, run);
    t.deepEqual(assertDone(outcome), { requested: 0 });
    assertSpawned(outcome, MyPilotTask, { times: 0 });
  }
});

test("a child's outcome gives its slot back to the next round, unless its pilot took it", async (t) => {
  await using database = await openWithCes({ ce12: { capacity: 2, successRate: 1 } });
  const round = { task: MySubmitPilotsTask, vo: "lhcb" };
  const [first = "", second = ""] = (await call(database, round)).spawned;
  const children = await runSql<{ task_id: string }>(database, "select task_id from pilot_request");
  t.deepEqual(children.map(({ task_id }) => task_id).sort(), [first, second].sort());
  const end = { task: "MyPilotTask", vo: "lhcb", payloadHash: "", attempt: 1, result: null, spawned: [], dueAt: null };
  await database.ledger.record({ ...end, taskId: first, outcome: "dropped", errors: ["the CE did not take it"] });
  t.deepEqual((await call(database, round)).result, { requested: 1 });
});

test("a submission that waits for its CE's row rejects as soon as the run's signal aborts", async (t) => {
  await using database = await openWithCes({ ce13: { capacity: 1 } });
  const aborted = new AbortController();
  const reason = new Error("the lease was lost");
  await database.transaction(async (operator) => {
    await operator.execute("select from compute_element where name = 'ce13' for update");
    const submitting = database.transaction(async (transaction) => {
      const identity = { task: "MyPilotTask", taskId: "t1", vo: "lhcb", attempt: 1 };
      const input = { transaction: async () => transaction, ...identity, signal: aborted.signal };
      await pilotDeps()(input).submitPilot({ ceName: "ce13", vo: "lhcb", taskId: "t1" });
    });
    await untilWaiting(database, 1);
    aborted.abort(reason);
    // The row stays locked until this has been seen.
    t.is(await t.throwsAsync(submitting), reason);
  });
});

test("a submission with a ceRegex spawns for those CEs alone whose whole name it matches", async (t) => {
  const outcome = await runTask(MySubmitPilotsTask, {
    vo: "lhcb",
    payload: { ceRegex: ".*\\.cern\\.ch" },
    deps: () => ({
      getAvailableCes: async () => [
        { name: "ce01.cern.ch", availableSlots: 2 },
        { name: "ce01.gridpp.ac.uk", availableSlots: 5 },
      ],
      requestPilots: async () => {},
    }),
  });
  assertDone(outcome);
  t.deepEqual(outcome.result, { requested: 2 });
  t.deepEqual(
    outcome.spawned.map(({ payload }) => payload),
    [{ ceName: "ce01.cern.ch" }, { ceName: "ce01.cern.ch" }],
  );
  t.deepEqual(outcome.locks, ["periodic.MySubmitPilotsTask.lhcb"]);
});
