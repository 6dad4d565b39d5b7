import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { hold, joinGrid, startTestBroker } from "./_grid_test.ts";
import { waitForLocks } from "./wait_for_locks.ts";

const server = await startTestBroker();
test.after.always(() => server[Symbol.asyncDispose]());

/** The TTL of the holders' leases, ms: a second after it a sleeping waiter looks again by itself. */
const TTL_MS = 60_000;
/** How long a test waits for what should come at once, ms: less than that. */
const PATIENCE_MS = 30_000;
const mutexes = (...ces: readonly string[]) => ces.map((ce) => ({ kind: "mutex" as const, key: `my_pilot.${ce}` }));
const wanted = { wanted: mutexes("ce01"), taskId: "waiter", holdMs: 60_000 };

test("an abort while the locks are being asked for is heard when the answer is here, and not at the end of the holder's TTL", async (t) => {
  await using there = await joinGrid(server.url, { worker: "there", ttlMs: TTL_MS });
  await using here = await joinGrid(server.url, { worker: "here", ttlMs: TTL_MS });
  await using _lease = await hold(there.locks, "my_pilot.ce01");
  const interrupted = new AbortController();
  let tries = 0;
  const locks = {
    ...here.locks,
    async tryAcquireAll(...asked: Parameters<typeof here.locks.tryAcquireAll>) {
      const answer = await here.locks.tryAcquireAll(...asked);
      // After the first one the watcher of locks opens, and wakes whoever sleeps.
      if (++tries === 2) interrupted.abort(new Error("Ctrl-C"));
      return answer;
    },
  };
  const waiting = waitForLocks(locks, { ...wanted, signal: interrupted.signal });
  const late = pause(PATIENCE_MS, "late", { ref: false });
  await t.throwsAsync(Promise.race([waiting, late]), { message: "Ctrl-C" });
  t.is(here.locks.waiting("my_pilot.ce01"), 0);
});

test("an abort of a waiter that sleeps is heard, and the waiter leaves its line", async (t) => {
  await using there = await joinGrid(server.url, { worker: "there", ttlMs: TTL_MS });
  await using here = await joinGrid(server.url, { worker: "here", ttlMs: TTL_MS });
  await using _lease = await hold(there.locks, "my_pilot.ce02");
  const interrupted = new AbortController();
  const locks = {
    ...here.locks,
    wait(waiter: Parameters<typeof here.locks.wait>[0]) {
      setImmediate(() => interrupted.abort(new Error("Ctrl-C")));
      return here.locks.wait(waiter);
    },
  };
  const waiting = waitForLocks(locks, { ...wanted, wanted: mutexes("ce02"), signal: interrupted.signal });
  await t.throwsAsync(Promise.race([waiting, pause(PATIENCE_MS, "late", { ref: false })]), { message: "Ctrl-C" });
  t.is(here.locks.waiting("my_pilot.ce02"), 0);
});

test("whoever waits for locks has them once they are let go of, and a full room is told", async (t) => {
  await using there = await joinGrid(server.url, { worker: "there", ttlMs: TTL_MS });
  await using here = await joinGrid(server.url, { worker: "here", ttlMs: TTL_MS });
  const lease = await hold(there.locks, "my_pilot.ce03");
  const asleep = Promise.withResolvers<void>();
  const locks = {
    ...here.locks,
    wait(waiter: Parameters<typeof here.locks.wait>[0]) {
      asleep.resolve();
      return here.locks.wait(waiter);
    },
  };
  const waiting = waitForLocks(locks, { ...wanted, wanted: mutexes("ce03", "ce04"), signal: undefined });
  await asleep.promise;
  await lease.release();
  const leases = await waiting;
  t.deepEqual(
    leases.map(({ key }) => key),
    ["my_pilot.ce03", "my_pilot.ce04"],
  );
  await t.throwsAsync(
    waitForLocks({ ...here.locks, wait: () => false }, { ...wanted, wanted: mutexes("ce04"), signal: undefined }),
    { message: /Cannot wait for lock "my_pilot.ce04": .*full/ },
  );
  await Promise.all(leases.map((each) => each.release()));
});
