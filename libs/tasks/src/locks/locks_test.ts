import test, { type ExecutionContext } from "ava";
import { hold, holdWhenFree, joinGrid, startTestBroker, TTL_MS } from "./_grid_test.ts";
import type { Lease } from "../lease/lease.ts";
import { openLocks } from "./locks.ts";

const server = await startTestBroker();
const here = await joinGrid(server.url, { worker: "here" });
const there = await joinGrid(server.url, { worker: "there" });
test.after.always(async () => {
  await Promise.all([here[Symbol.asyncDispose](), there[Symbol.asyncDispose]()]);
  await server[Symbol.asyncDispose]();
});

let keys = 0;
const newKey = () => `my_pilot.ce${keys++}.example.org`;
const request = { taskId: "t1", untilMs: Number.POSITIVE_INFINITY };

test.serial("a lock has one holder, here and elsewhere, and that it is held is no error", async (t) => {
  const key = newKey();
  await using lease = await hold(here.locks, key);
  t.true(lease.fencingToken > 1e15);
  t.deepEqual(await there.locks.tryAcquire([key], request), { kind: "held", by: key });
  t.deepEqual(await here.locks.tryAcquire([key], request), { kind: "held", by: key });
  await lease.release();
  await using next = await hold(there.locks, key);
  t.true(next.fencingToken > lease.fencingToken);
});

test.serial("leases come in the order asked for, and all locks or none are held", async (t) => {
  const [a, b, c] = [newKey(), newKey(), newKey()];
  const answer = await here.locks.tryAcquire([c, b], request);
  t.deepEqual(answer.kind === "taken" && answer.leases.map(({ key }) => key), [c, b]);
  t.deepEqual(await there.locks.tryAcquire([c, a], request), { kind: "held", by: c });
  // Taken before the held one was met, and free again.
  await using free = await hold(here.locks, a);
  t.is(free.key, a);
  if (answer.kind === "taken") await Promise.all(answer.leases.map((lease) => lease.release()));
});

/** Lets a lease go and asserts that its next waiter, which sleeps, has it within milliseconds. */
async function assertHandedOn(t: ExecutionContext, lease: Lease, held: ReturnType<typeof holdWhenFree>): Promise<void> {
  const releasedAtMs = performance.now();
  await lease.release();
  const { leases } = await held;
  const tookMs = performance.now() - releasedAtMs;
  t.true(tookMs < TTL_MS / 2, `${tookMs} ms`);
  await leases[0]?.release();
}

test.serial("the next waiter of this process goes on within milliseconds of the release", async (t) => {
  const key = newKey();
  const lease = await hold(here.locks, key);
  const { promise: isAsleep, resolve } = Promise.withResolvers<void>();
  const held = holdWhenFree(here.locks, [key], resolve);
  await isAsleep;
  await assertHandedOn(t, lease, held);
});

test.serial("a waiter in another process goes on within milliseconds of the release", async (t) => {
  const key = newKey();
  for (let round = 0; round < 3; round++) {
    const lease = await hold(here.locks, key);
    let isQuiet: NodeJS.Timeout | undefined;
    // The first tries come while its watcher opens; it sleeps for good once none has come for a while.
    const { promise: isAsleep, resolve } = Promise.withResolvers<void>();
    const held = holdWhenFree(there.locks, [key], () => {
      clearTimeout(isQuiet);
      isQuiet = setTimeout(resolve, 100);
    });
    await isAsleep;
    await assertHandedOn(t, lease, held);
  }
});

test.serial("waiters of one process get the lock in order of arrival", async (t) => {
  const key = newKey();
  const lease = await hold(here.locks, key);
  const order: number[] = [];
  const all = Array.from({ length: 8 }, async (_, index) => {
    const { leases } = await holdWhenFree(here.locks, [key]);
    order.push(index);
    await leases[0]?.release();
  });
  await lease.release();
  await Promise.all(all);
  t.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7]);
});

test.serial("waiters of two processes for one lock all get it, one at a time, and tokens rise", async (t) => {
  const key = newKey();
  const tokens: number[] = [];
  let holders = 0;
  await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const { leases } = await holdWhenFree(index % 2 === 0 ? here.locks : there.locks, [key]);
      t.is(++holders, 1);
      for (const lease of leases) {
        lease.checkDeadline();
        tokens.push(lease.fencingToken);
        holders--;
        await lease.release();
      }
    }),
  );
  t.is(tokens.length, 40);
  t.deepEqual(
    tokens,
    tokens.toSorted((a, b) => a - b),
  );
});

test.serial("tasks that want the same two locks in either order all get both", async (t) => {
  const [a, b] = [newKey(), newKey()];
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const party = index % 2 === 0 ? here : there;
      const { leases } = await holdWhenFree(party.locks, index % 4 < 2 ? [a, b] : [b, a]);
      t.is(leases.length, 2);
      await Promise.all(leases.map((lease) => lease.release()));
    }),
  );
  t.deepEqual([here.locks.waiting(a), there.locks.waiting(b)], [0, 0]);
});

test.serial("a task's locks are asked for together where nobody of its process is in the way", async (t) => {
  const wanted = [newKey(), newKey(), newKey()];
  const asked: string[] = [];
  const { nc } = here.broker;
  const subscription = nc.subscribe("$KV.locks.my_pilot.>", {
    callback: (_, { subject }) => void asked.push(subject.slice("$KV.locks.".length)),
  });
  await nc.flush();
  const answer = here.locks.tryAcquire(wanted, request);
  await nc.flush(); // what was sent before this is all that was sent without waiting for an answer
  await nc.flush();
  t.deepEqual(asked.slice(0, 3), wanted);
  subscription.unsubscribe();
  const held = await answer;
  if (held.kind === "taken") await Promise.all(held.leases.map((lease) => lease.release()));
  t.is(held.kind, "taken");
});

test.serial(
  "of locks that are asked for together none is kept where one is somebody else's, and the task waits for that one",
  async (t) => {
    const [first, second, third] = [newKey(), newKey(), newKey()];
    const theirs = await hold(there.locks, second);
    const { promise: isAsleep, resolve } = Promise.withResolvers<void>();
    const held = holdWhenFree(here.locks, [first, second, third], resolve);
    await isAsleep;
    for (const key of [first, third]) t.is((await here.bucket.read(key))?.kind ?? "mark", "mark");
    await theirs.release();
    const { leases } = await held;
    t.is(leases.length, 3);
    await Promise.all(leases.map((lease) => lease.release()));
  },
);

test.serial(
  "a task that meets others in line takes its locks in the order of their keys, whatever order it names them in",
  async (t) => {
    const [a, b] = [`a.${newKey()}`, `b.${newKey()}`];
    const theirs = await hold(there.locks, b);
    const { promise: isAsleep, resolve } = Promise.withResolvers<void>();
    const earlier = holdWhenFree(here.locks, [b], resolve);
    await isAsleep;
    const asked: string[] = [];
    const subscription = here.broker.nc.subscribe("$KV.locks.>", {
      callback: (_, { subject }) => void asked.push(subject.slice("$KV.locks.".length)),
    });
    await here.broker.nc.flush();
    // A task that took b first would meet one that holds a and waits for b.
    t.deepEqual(await here.locks.tryAcquire([b, a], request), { kind: "held", by: b });
    await here.broker.nc.flush();
    t.is(asked[0], a);
    subscription.unsubscribe();
    await theirs.release();
    const { leases } = await earlier;
    await Promise.all(leases.map((lease) => lease.release()));
  },
);

test.serial("a full line is told to the caller, who hands the message back", async (t) => {
  const key = newKey();
  await using few = await joinGrid(server.url, { worker: "few", room: { perProcess: 10, perKey: 2 } });
  await using lease = await hold(here.locks, key);
  const waiters = Array.from({ length: 3 }, () => ({ resume() {} }));
  const answers: boolean[] = [];
  for (const waiter of waiters) {
    t.is((await few.locks.tryAcquire([key], { ...request, waiter })).kind, "held");
    answers.push(few.locks.wait(waiter));
  }
  t.deepEqual(answers, [true, true, false]);
  t.is(few.locks.waiting(key), 2);
  t.is(lease.key, key);
});

test.serial("nobody lines up without a waiter", async (t) => {
  const key = newKey();
  await using lease = await hold(here.locks, key);
  await there.locks.tryAcquire([key], request);
  t.is(there.locks.waiting(lease.key), 0);
});

test.serial("a TTL below two seconds is refused", async (t) => {
  const { broker, keeper } = here;
  await t.throwsAsync(openLocks({ broker, keeper, worker: "here", ttlMs: 1_000 }), { instanceOf: RangeError });
});
