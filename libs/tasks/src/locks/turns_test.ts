import test from "ava";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { holdWhenFree, joinGrid, startTestBroker, TTL_MS } from "./_grid_test.ts";
import type { Locks } from "./locks.ts";
import type { Turn } from "./turns.ts";

const server = await startTestBroker();
const LONG_MS = 60_000;
/** A lock that is handed on in these tests waits until it is taken, however slow the machine is. */
const here = await joinGrid(server.url, {
  worker: "here",
  turns: { tenureMs: LONG_MS, offerMs: LONG_MS, lingerMs: LONG_MS },
});
/** What is handed on here and not taken up is released soon. */
const brisk = await joinGrid(server.url, { worker: "brisk", turns: { tenureMs: LONG_MS, offerMs: 20, lingerMs: 1 } });
const there = await joinGrid(server.url, { worker: "there" });
test.after.always(async () => {
  await Promise.all([here, brisk, there].map((party) => party[Symbol.asyncDispose]()));
  await server[Symbol.asyncDispose]();
});

const request = { taskId: "t1", untilMs: Number.POSITIVE_INFINITY };

async function take(locks: Locks, key: string): Promise<Turn> {
  const answer = await locks.tryAcquire([key], request);
  if (answer.kind === "held") throw new Error(`${key} is held`);
  const [turn] = answer.leases;
  if (turn === undefined) throw new Error(`nothing was asked for`);
  return turn;
}

/** A task of `locks` that sleeps until it has the lock of `key`. */
async function waitFor(locks: Locks, key: string) {
  const { promise: isAsleep, resolve } = Promise.withResolvers<void>();
  const held = holdWhenFree(locks, [key], resolve).then(({ leases }) => leases[0] as Turn);
  await isAsleep;
  return { held };
}

test("I9: a lock that is handed on within its process keeps holder, token and revision, and others find it taken", async (t) => {
  const key = "turns.handed";
  const first = await take(here.locks, key);
  const { held } = await waitFor(here.locks, key);
  await first.handOn();
  const second = await held;
  t.is(second.fencingToken, first.fencingToken);
  t.is(second.holder, first.holder);
  t.is((await here.bucket.read(key))?.revision, first.fencingToken);
  t.deepEqual(await there.locks.tryAcquire([key], request), { kind: "held", by: key });

  await first.release(); // its turn is over, and it cannot end another's
  t.is((await here.bucket.read(key))?.kind, "taken");
  await second.release();
  t.is((await here.bucket.read(key))?.kind, "mark");
});

test("I9: a task that begins as another ends has its lock without a word to the broker, and then others have it", async (t) => {
  const key = "turns.next";
  const first = await take(here.locks, key);
  const { held: elsewhere } = await waitFor(there.locks, key);
  await first.handOn(); // nobody waits here
  const second = await take(here.locks, key);
  t.is(second.fencingToken, first.fencingToken);
  t.is(second.holder, first.holder);
  await second.release();
  const lease = await elsewhere;
  t.true(lease.fencingToken > second.fencingToken);
  await lease.release();
});

test("a lock that is handed on while nobody of its process wants it is others' soon", async (t) => {
  const key = "turns.unwanted";
  const turn = await take(brisk.locks, key);
  const { held: elsewhere } = await waitFor(there.locks, key);
  await turn.handOn();
  const lease = await elsewhere;
  t.true(lease.fencingToken > turn.fencingToken);
  await lease.release();
});

test("a process that never runs out of tasks for a lock lets others have it all the same", async (t) => {
  const key = "turns.shared";
  await using sharing = await joinGrid(server.url, { worker: "sharing", turns: { tenureMs: 1_000, restMs: 200 } });
  let turn = await take(sharing.locks, key);
  const { held: elsewhere } = await waitFor(there.locks, key);
  let isOver = false;
  const theirs = elsewhere.then((lease) => {
    isOver = true;
    return lease.release();
  });
  let handedOn = 0;
  while (!isOver) {
    const { held } = await waitFor(sharing.locks, key);
    await turn.handOn();
    const next = await held;
    if (next.fencingToken === turn.fencingToken) handedOn++;
    turn = next;
    await pause(1); // a task does something; without it nobody else in this process would hear of anything
  }
  await theirs;
  t.true(handedOn > 0);
  await turn.release();
});

test("a lock that was handed on and that nobody comes for is released", async (t) => {
  const key = "turns.left";
  const turn = await take(brisk.locks, key);
  const waiter = { resume() {} }; // never tries
  t.is((await brisk.locks.tryAcquire([key], { ...request, waiter })).kind, "held");
  t.true(brisk.locks.wait(waiter));
  const { held: elsewhere } = await waitFor(there.locks, key);
  await turn.handOn();
  t.true((await elsewhere).fencingToken > turn.fencingToken);
  await (await elsewhere).release();
  brisk.locks.forget(waiter);
});

test("a process that stops releases at once what it had handed on", async (t) => {
  const key = "turns.stopped";
  const stopping = await joinGrid(server.url, {
    worker: "stopping",
    turns: { tenureMs: LONG_MS, offerMs: LONG_MS, lingerMs: LONG_MS },
  });
  const turn = await take(stopping.locks, key);
  const waiter = { resume() {} }; // its worker drains, and it never tries
  t.is((await stopping.locks.tryAcquire([key], { ...request, waiter })).kind, "held");
  t.true(stopping.locks.wait(waiter));
  await turn.handOn();
  await stopping[Symbol.asyncDispose]();
  t.is((await there.bucket.read(key))?.kind, "mark");
});

test("a lock that was lost is not handed on: the next turn has a token of its own", async (t) => {
  const key = "turns.lost";
  const turn = await take(here.locks, key);
  const { held } = await waitFor(here.locks, key);
  const lost = once(turn.signal, "abort");
  await there.bucket.free(key, { expected: turn.fencingToken, ttlMs: TTL_MS });
  await lost;
  await turn.handOn();
  const next = await held;
  t.true(next.fencingToken > turn.fencingToken);
  await next.release();
});

test("a turn is renewed until its own task's timeout, not that of the task before it", async (t) => {
  const key = "turns.renewed";
  const answer = await here.locks.tryAcquire([key], { ...request, untilMs: performance.now() });
  const [first] = answer.kind === "taken" ? answer.leases : [];
  const { held } = await waitFor(here.locks, key);
  await first?.handOn();
  const second = await held;
  const { revision } = second.lastWrite;
  while (second.lastWrite.revision === revision) {
    second.checkDeadline();
    await new Promise((resolve) => setTimeout(resolve, 20)); // the thread that renews tells nobody
  }
  t.true(first !== undefined && second.fencingToken === first.fencingToken);
  await second.release();
});
