import test from "ava";
import { addCe, changeCe, disableCe, removeCe } from "../ces/administer_ces.ts";
import { type Database, openDatabase } from "@muster/ledger";
import { pilotTables } from "../schema/pilot_tables.ts";
import { seededRandom } from "./random.ts";
import { claim, fence, outcome, runSql, startProxy, untilWaiting } from "@muster/ledger/testing";
import { startTestServer } from "../testing/mod.ts";
import { getMaxActiveOverCapacity, getPilotSummary } from "./pilot_summary.ts";
import { CeClosedError, PilotSubmissionError, type Submission, submitPilot } from "./submit_pilot.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const ceName = "ce01.cern.ch:9619/condor";

async function openWithCe(ce: { capacity?: number; successRate?: number; vos?: string[] } = {}): Promise<Database> {
  const database = await server.open();
  await database.transaction((transaction) => addCe(transaction, { name: ceName, capacity: 2, successRate: 1, ...ce }));
  return database;
}

function submit(
  database: Database,
  order: { taskId: string; ceName?: string; vo?: string; random?: () => number },
): Promise<Submission> {
  return database.transaction((transaction) =>
    submitPilot(transaction, { ceName, vo: "lhcb", random: Math.random, ...order }),
  );
}

test("at success rate 1 a submission writes one pilot and returns its id", async (t) => {
  await using database = await openWithCe();
  const submission = await submit(database, { taskId: "t1", random: () => 0.999_999_999 });
  t.is(submission.kind, "submitted");
  const pilots = "select id, ce_name, vo, status, task_id, active_before, capacity_read from pilot";
  t.deepEqual(await runSql(database, pilots), [
    {
      id: submission.kind === "submitted" ? submission.pilotId : undefined,
      ce_name: ceName,
      vo: "lhcb",
      status: "SUBMITTED",
      task_id: "t1",
      active_before: 0,
      capacity_read: 2,
    },
  ]);
});

test("one submission takes five statements in two round trips, from the transaction's start to its commit", async (t) => {
  const url = await server.createUrl();
  await using operator = await openDatabase({ url, tables: [pilotTables] });
  await operator.transaction((transaction) => addCe(transaction, { name: ceName, capacity: 1, successRate: 1 }));
  await using proxy = await startProxy(url, { answersLateMs: 50 });
  await using database = await openDatabase({ url: proxy.url, tables: [pilotTables] });
  await database.ledger.recall("t0"); // connects
  const before = proxy.roundTrips;
  const opened = database.ledger.open(claim("t1", fence(ceName, 1)));
  await submitPilot(await opened.transaction(), { ceName, vo: "lhcb", taskId: "t1", random: () => 0 });
  await opened.commit(outcome("t1"));
  const begins = [
    "start transaction",
    "insert into lock_fence",
    "with ce as materialized (select",
    "with recorded as (insert into task_outcome",
    "commit",
  ];
  // What comes before belongs to the connection, which later transactions use again.
  const statements = proxy.statements.slice(proxy.statements.findIndex((each) => each.startsWith("start transaction")));
  t.is(statements.length, begins.length, statements.join(";\n"));
  const plain = statements.map((statement) => statement.replaceAll(/\s+/g, " ").replaceAll("( ", "(").trim());
  for (const [index, begin] of begins.entries()) t.true(plain[index]?.startsWith(begin), `${begin}: ${plain[index]}`);
  t.is(proxy.roundTrips - before, 2);
});

test("at success rate 0 a submission fails with PilotSubmissionError and writes nothing", async (t) => {
  await using database = await openWithCe({ successRate: 0 });
  const error = await t.throwsAsync(submit(database, { taskId: "t1", random: () => 0 }), {
    instanceOf: PilotSubmissionError,
  });
  t.like(error, { ceName, vo: "lhcb" });
  t.deepEqual(await database.transaction(getPilotSummary), {});
});

test("a CE without room answers full, and a pilot of any VO that ends makes room again", async (t) => {
  await using database = await openWithCe();
  await submit(database, { taskId: "t1" });
  await submit(database, { taskId: "t2", vo: "atlas" });
  t.deepEqual(await submit(database, { taskId: "t3" }), { kind: "full", active: 2, capacity: 2 });
  await runSql(database, "update pilot set status = 'RUNNING' where task_id = 't1'");
  t.like(await submit(database, { taskId: "t3" }), { kind: "full" });
  await runSql(database, "update pilot set status = 'DONE' where task_id = 't1'");
  t.like(await submit(database, { taskId: "t3" }), { kind: "submitted" });
});

test("pilots that are submitted to one CE in any case take the slots of that one", async (t) => {
  await using database = await openWithCe();
  for (const [index, name] of [ceName, ceName.toUpperCase()].entries()) {
    t.like(await submit(database, { taskId: `t${index}`, ceName: name }), { kind: "submitted" });
  }
  t.like(await submit(database, { taskId: "t3", ceName: "Ce01.cern.ch:9619/condor" }), { kind: "full", active: 2 });
  t.deepEqual(await runSql(database, "select distinct ce_name from pilot"), [{ ce_name: ceName }]);
});

test("a capacity lowered below the active pilots stops new ones, and is no breach", async (t) => {
  await using database = await openWithCe();
  await submit(database, { taskId: "t1" });
  await submit(database, { taskId: "t2" });
  await database.transaction((transaction) => changeCe(transaction, ceName, { capacity: 1 }));
  t.deepEqual(await submit(database, { taskId: "t3" }), { kind: "full", active: 2, capacity: 1 });
  t.is(await database.transaction(getMaxActiveOverCapacity), 0);
});

test("a CE that is unknown, disabled or for other VOs takes no pilot, and the error says which", async (t) => {
  await using database = await openWithCe({ vos: ["atlas"] });
  const reasonOf = async (taskId: string, vo: string) =>
    (await t.throwsAsync(submit(database, { taskId, vo }), { instanceOf: CeClosedError }))?.reason;
  t.like(await submit(database, { taskId: "t1", vo: "atlas" }), { kind: "submitted" });
  t.is(await reasonOf("t2", "lhcb"), "not for this VO");
  await database.transaction((transaction) => disableCe(transaction, ceName));
  t.is(await reasonOf("t3", "atlas"), "disabled");
  await database.transaction((transaction) => removeCe(transaction, ceName));
  t.is(await reasonOf("t4", "atlas"), "unknown");
  t.deepEqual(await database.transaction(getPilotSummary), { SUBMITTED: 1 });
});

test("I10: a newer holder waits for the older one's open transaction and then counts its pilot", async (t) => {
  await using database = await openWithCe({ capacity: 1 });
  const submission = { ceName, vo: "lhcb", random: () => 0 };
  const older = database.ledger.open(claim("t1", fence(ceName, 1)));
  t.like(await submitPilot(await older.transaction(), { ...submission, taskId: "t1" }), { kind: "submitted" });

  const newer = database.ledger.open(claim("t2", fence(ceName, 2)));
  const submitted = newer
    .transaction()
    .then((transaction) => submitPilot(transaction, { ...submission, taskId: "t2" }));
  await untilWaiting(database);
  t.like(await older.commit(outcome("t1")), { kind: "committed" });
  t.deepEqual(await submitted, { kind: "full", active: 1, capacity: 1 });
  await newer.rollback();
});

test("I10: an operator's change waits for a submission under way, and the next submission sees it", async (t) => {
  await using database = await openWithCe();
  const opened = database.ledger.open(claim("t1"));
  await submitPilot(await opened.transaction(), { ceName, vo: "lhcb", taskId: "t1", random: () => 0 });
  const disabled = database.transaction((transaction) => disableCe(transaction, ceName));
  await untilWaiting(database);
  t.like(await opened.commit(outcome("t1")), { kind: "committed" });
  await disabled;
  await t.throwsAsync(submit(database, { taskId: "t2" }), { instanceOf: CeClosedError });
});

test("I10: a submission waits for an operator's change under way, and sees it", async (t) => {
  await using database = await openWithCe();
  const operator = database.ledger.open(claim("operator"));
  await changeCe(await operator.transaction(), ceName, { capacity: 0 });
  const submission = submit(database, { taskId: "t1" });
  await untilWaiting(database);
  await operator.commit(outcome("operator"));
  t.deepEqual(await submission, { kind: "full", active: 0, capacity: 0 });
});

test("I2: a second pilot for the same task is refused by the table itself", async (t) => {
  await using database = await openWithCe();
  await submit(database, { taskId: "t1" });
  await t.throwsAsync(submit(database, { taskId: "t1" }), { message: /pilot_task_id_unique/ });
});

test("I2, I9, I10: over many submissions at once, some twice, no CE goes over its capacity and no task has two pilots", async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  t.log(`seed ${seed}`);
  const random = seededRandom(seed);
  await using database = await openWithCe({ capacity: 3 });
  await using other = await openDatabase({ url: database.orm.config.get("clientUrl") ?? "", tables: [pilotTables] });
  let token = 0;
  // Holders overlap, as if every lease were lost at once. Only the fences keep the count right.
  async function run(taskId: string): Promise<void> {
    token++;
    const { ledger } = random() < 0.5 ? database : other;
    const destroyed = random() < 0.2;
    const opened = ledger.open(claim(taskId, fence(ceName, token)));
    try {
      await submitPilot(await opened.transaction(), { ceName, vo: "lhcb", taskId, random: Math.random });
      if (destroyed) await opened.destroy();
      await opened.commit(outcome(taskId));
    } catch (error) {
      await opened.rollback();
      if (opened.gone() !== undefined) return;
      // The other run of this task was first, so its outcome is recorded and not this one's failure.
      const failure = outcome(taskId, { outcome: "dropped", errors: [String(error)] });
      t.is((await ledger.record(failure)).outcome, "done");
    }
  }
  const taskIds = Array.from({ length: 150 }, (_, index) => `t${index}`);
  const end = "update pilot set status = 'DONE' where id in (select id from pilot where status = 'SUBMITTED' limit 1)";
  for (let at = 0; at < taskIds.length; at += 15) {
    const batch = taskIds.slice(at, at + 15);
    const twice = batch.filter(() => random() < 0.3);
    await Promise.all([...batch.map(run), ...twice.map(run), runSql(other, end)]);
    const active = await runSql(database, "select id from pilot where status = 'SUBMITTED'");
    t.true(active.length <= 3);
  }
  t.is(await database.transaction(getMaxActiveOverCapacity), 0);
  const pilots = await runSql(database, "select task_id from pilot");
  t.true(pilots.length > 3, "nothing was tried");
  const unrecorded =
    "select task_id from pilot where not exists (select from task_outcome o where o.task_id = pilot.task_id)";
  t.deepEqual(await runSql(database, unrecorded), []);
});
