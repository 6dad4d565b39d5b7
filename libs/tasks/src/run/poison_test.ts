import test from "ava";
import { joinGrid, startTestBroker } from "../locks/_grid_test.ts";
import { aloneMsOf, type CountedTask, startCounts } from "./poison.ts";

const ack = "$JS.ACK.TASKS.nobody.1.1.1.1.0";
const suspect: CountedTask = { taskId: "suspect", attempt: 1 };
const beside: CountedTask = { taskId: "beside", attempt: 1 };

test("a worker's death in a suspect's own time names that one, and is held against none beside it", async (t) => {
  await using server = await startTestBroker();
  await using party = await joinGrid(server.url);
  const dead = startCounts(party.broker, "dead");
  for (const task of [suspect, beside]) {
    const known = await dead.read(task);
    await dead.begin({ ...task, ack }, known); // together: nobody's time
    t.is(aloneMsOf(await startCounts(party.broker, "later").read(task)), 3_000);
  }
  await dead.begin({ ...beside, ack }, await dead.read(beside));
  await dead.aloneNoMore();
  await dead.begin({ ...suspect, ack }, await dead.read(suspect));

  const heir = startCounts(party.broker, "heir");
  t.is(aloneMsOf(await heir.read(suspect)), Number.POSITIVE_INFINITY);
  t.is(aloneMsOf(await heir.read(beside)), 3_000);
});

test("a worker's death after a suspect's own time is held against all that ran", async (t) => {
  await using server = await startTestBroker();
  await using party = await joinGrid(server.url);
  const dead = startCounts(party.broker, "dead");
  for (const task of [suspect, beside]) {
    await dead.begin({ ...task, ack }, { attempt: 1, unended: 1, alone: 0, revision: 0 });
    await dead.aloneNoMore();
  }
  const heir = startCounts(party.broker, "heir");
  for (const task of [suspect, beside]) t.is(aloneMsOf(await heir.read(task)), 12_000);
});

test("a task hides twice behind others that had their own time when the worker died, and no third time", async (t) => {
  await using server = await startTestBroker();
  await using party = await joinGrid(server.url);
  const counts: number[] = [];
  for (const name of ["first", "second", "third"]) {
    const dead = startCounts(party.broker, name);
    await dead.begin({ ...beside, ack }, await dead.read(beside));
    await dead.aloneNoMore();
    const other = { taskId: `suspect-of-${name}`, attempt: 1 };
    await dead.begin({ ...other, ack }, { attempt: 1, unended: 1, alone: 0, revision: 0 });
    counts.push((await startCounts(party.broker, "heir").read(beside)).unended);
  }
  t.deepEqual(counts, [0, 0, 1]);
});

test("a run that was handed back in good order leaves nothing to judge", async (t) => {
  await using server = await startTestBroker();
  await using party = await joinGrid(server.url);
  const counts = startCounts(party.broker, "worker");
  const known = { attempt: 1, unended: 1, alone: 0, revision: 0 };
  await counts.begin({ ...suspect, ack }, known);
  await counts.handedBack(suspect, known);
  t.like(await startCounts(party.broker, "next").read(suspect), { unended: 1, alone: 0 });
});
