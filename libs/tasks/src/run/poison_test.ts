import test from "ava";
import { headersFrom } from "../format/headers.ts";
import { escapeToken } from "../format/token.ts";
import { joinGrid, type Party, startTestBroker } from "../locks/_grid_test.ts";
import { ownProcess } from "../presence/own_process.ts";
import type { KnownCount } from "../pull/received_task.ts";
import { aloneMsOf, type CountedTask, isPoison, spare, startCounts } from "./poison.ts";

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

const LONE: Pick<KnownCount, "attempt" | "unended" | "alone"> = { attempt: 1, unended: 4, alone: 1 };

/** Counts a run of the suspect among others and two lone ones, whose workers die. Returns the count that would make it poison. */
async function dieAlone({ broker }: Party): Promise<KnownCount> {
  await startCounts(broker, "among others").begin({ ...suspect, ack }, { ...LONE, unended: 0, alone: 0, revision: 0 });
  for (const name of ["first lone death", "second lone death"]) {
    const dying = startCounts(broker, name);
    const known = await dying.read(suspect);
    await dying.begin({ ...suspect, ack }, { ...known, unended: Math.max(known.unended, LONE.unended) });
  }
  const known = await startCounts(broker, "heir").read(suspect);
  if (!isPoison(known)) throw new Error("it would not be given up");
  return known;
}

/** Leaves the record of a worker of this machine whose process has ended. */
async function leaveRecord({ broker }: Party, name: string): Promise<void> {
  const own = ownProcess() ?? { place: "", pid: 0, startedTicks: "" };
  // Our own process id, and a start that was not ours: that process has ended.
  const record = { name, host: "h", pid: own.pid, startedAt: "", tasks: [], permits: 1 };
  const body = JSON.stringify({ ...record, process: { ...own, startedTicks: "1" } });
  await broker.js.publish(`$KV.workers.${escapeToken(name)}`, body, { headers: headersFrom({ "Nats-TTL": "30s" }) });
}

if (process.platform === "linux") {
  test("a lone run's death is not held against a task where a worker dies that had never run it, twenty times at most", async (t) => {
    await using server = await startTestBroker();
    await using party = await joinGrid(server.url);
    await leaveRecord(party, "died before the first counted run");
    const known = await dieAlone(party);
    t.is(await spare(party.broker, known), undefined);
    for (const name of known.workers ?? []) await leaveRecord(party, name);
    t.is(await spare(party.broker, known), undefined, "they ran the task");
    await leaveRecord(party, "bystander");
    const spared = await spare(party.broker, known);
    t.like(spared, { ...LONE, unended: known.unended, spared: 1 });
    t.is(await spare(party.broker, { ...known, spared: 20 }), undefined);
    const next = startCounts(party.broker, "third death");
    await next.begin({ ...suspect, ack }, spared ?? t.fail());
    t.like(await startCounts(party.broker, "heir").read(suspect), { alone: 2, spared: 1 });
  });

  test("the death of a worker that another suspect had to itself clears no task", async (t) => {
    await using server = await startTestBroker();
    await using party = await joinGrid(server.url);
    const other = startCounts(party.broker, "of another suspect");
    await other.begin({ taskId: "another suspect", attempt: 1, ack }, { ...LONE, revision: 0 });
    const known = await dieAlone(party);
    await leaveRecord(party, "of another suspect");
    t.is(await spare(party.broker, known), undefined);
  });
}
