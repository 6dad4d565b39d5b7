import test from "ava";
import { addCe, removeCe } from "../ces/administer_ces.ts";
import type { Database } from "@muster/ledger";
import { seededRandom } from "./random.ts";
import { runSql } from "@muster/ledger/testing";
import { startTestServer } from "../testing/mod.ts";
import { type Transitions, transitionPilotStates } from "./transition_pilots.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** Adds `count` pilots of one VO, status and CE. */
async function addPilots(database: Database, pilots: { vo: string; status: string; ceName?: string; count?: number }) {
  const { vo, status, ceName = "ce01", count = 1 } = pilots;
  await runSql(
    database,
    `insert into pilot (ce_name, vo, status, task_id, active_before, capacity_read)
     select '${ceName}', '${vo}', '${status}', concat_ws('/', '${ceName}', '${vo}', '${status}', n), 0, 9999
     from generate_series(1, ${count}) n`,
  );
}

function round(database: Database, vo: string, random = Math.random): Promise<Transitions> {
  return database.transaction((transaction) => transitionPilotStates(transaction, { vo, random }));
}

function statuses(database: Database): Promise<object[]> {
  return runSql(database, "select vo, status, count(*) from pilot group by vo, status order by vo, status");
}

async function openWithCe(successRate: number): Promise<Database> {
  const database = await server.open();
  await database.transaction((transaction) => addCe(transaction, { name: "ce01", capacity: 9999, successRate }));
  return database;
}

test("a pilot goes from SUBMITTED over RUNNING to its end, one step a round", async (t) => {
  await using database = await openWithCe(1);
  await addPilots(database, { vo: "lhcb", status: "SUBMITTED" });
  t.deepEqual(await round(database, "lhcb"), { done: 0, failed: 0, started: 1 });
  t.deepEqual(await round(database, "lhcb"), { done: 1, failed: 0, started: 0 });
  t.deepEqual(await round(database, "lhcb"), { done: 0, failed: 0, started: 0 });
  t.deepEqual(await statuses(database), [{ vo: "lhcb", status: "DONE", count: 1 }]);
});

test("a round moves its own VO's pilots only", async (t) => {
  await using database = await openWithCe(1);
  for (const vo of ["lhcb", "atlas"]) {
    await addPilots(database, { vo, status: "SUBMITTED", count: 2 });
    await addPilots(database, { vo, status: "RUNNING", count: 3 });
  }
  t.deepEqual(await round(database, "lhcb"), { done: 3, failed: 0, started: 2 });
  t.deepEqual(await statuses(database), [
    { vo: "atlas", status: "RUNNING", count: 3 },
    { vo: "atlas", status: "SUBMITTED", count: 2 },
    { vo: "lhcb", status: "DONE", count: 3 },
    { vo: "lhcb", status: "RUNNING", count: 2 },
  ]);
});

test("at success rate 0 every running pilot fails", async (t) => {
  await using database = await openWithCe(0);
  await addPilots(database, { vo: "lhcb", status: "RUNNING", count: 50 });
  t.deepEqual(await round(database, "lhcb"), { done: 0, failed: 50, started: 0 });
});

test("the ends follow the CE's success rate, and the same seed gives the same ends", async (t) => {
  const ends = async (): Promise<[Transitions, object[]]> => {
    await using database = await openWithCe(0.7);
    await addPilots(database, { vo: "lhcb", status: "RUNNING", count: 2000 });
    const transitions = await round(database, "lhcb", seededRandom(42));
    return [transitions, await runSql(database, "select id, status from pilot order by id")];
  };
  const [[first, firstEnds], [, secondEnds]] = [await ends(), await ends()];
  t.true(Math.abs(first.done / 2000 - 0.7) < 0.05, `${first.done} of 2000 are done`);
  t.deepEqual(firstEnds, secondEnds);
});

test("each round draws anew, so that a pilot's end does not follow from its id", async (t) => {
  await using database = await openWithCe(0.5);
  await addPilots(database, { vo: "lhcb", status: "RUNNING", count: 64 });
  const again = "update pilot set status = 'RUNNING'";
  const endsOf = async (random: () => number) => {
    await round(database, "lhcb", random);
    return runSql(database, "select status from pilot order by id");
  };
  const first = await endsOf(() => 0.1);
  await runSql(database, again);
  t.notDeepEqual(await endsOf(() => 0.2), first);
});

test("how a pilot ends is not known once its CE was removed, so it stays as it is", async (t) => {
  await using database = await openWithCe(1);
  await addPilots(database, { vo: "lhcb", status: "RUNNING" });
  t.deepEqual(await database.transaction((transaction) => removeCe(transaction, "ce01")), { activePilots: 1 });
  t.deepEqual(await round(database, "lhcb"), { done: 0, failed: 0, started: 0 });
});

test("a round that fails half-way leaves every pilot as it was", async (t) => {
  await using database = await openWithCe(1);
  await addPilots(database, { vo: "lhcb", status: "RUNNING" });
  const failing = database.transaction(async (transaction) => {
    await transitionPilotStates(transaction, { vo: "lhcb", random: Math.random });
    throw new Error("power cut");
  });
  await t.throwsAsync(failing, { message: "power cut" });
  t.deepEqual(await statuses(database), [{ vo: "lhcb", status: "RUNNING", count: 1 }]);
});
