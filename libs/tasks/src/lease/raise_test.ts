import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { connectNats } from "../connection/connection.ts";
import { silentObserver } from "../connection/observer.ts";
import { hold, holdWhenFree, joinGrid, type Party, startTestBroker, TTL_MS } from "../locks/_grid_test.ts";
import { LOCKS_STREAM } from "./lock_bucket.ts";
import { until } from "../testing/patience.ts";
import { openBroker } from "./open_broker.ts";
import type { Happened } from "../broker/incidents.ts";
import { raiseAfterRest, raiseIfBehind, raiseLocks } from "./raise.ts";

const KEY = "my_pilot.ce01.example.org";

/** Servers of their own: these tests take the bucket away. */
async function startGrid({ ttlMs = TTL_MS } = {}) {
  const server = await startTestBroker();
  const [here, there] = await Promise.all([
    joinGrid(server.url, { worker: "here", ttlMs }),
    joinGrid(server.url, { worker: "there", ttlMs }),
  ]);
  return {
    server,
    here,
    there,
    async [Symbol.asyncDispose]() {
      await Promise.all([here[Symbol.asyncDispose](), there[Symbol.asyncDispose]()]);
      await server[Symbol.asyncDispose]();
    },
  };
}

/** How long a waiter of `there` sleeps on after a release of `here`, ms. */
async function wakeMs({ here, there }: { here: Party; there: Party }): Promise<number> {
  const lease = await hold(here.locks, KEY);
  let quiet: NodeJS.Timeout | undefined;
  const { promise: isAsleep, resolve } = Promise.withResolvers<void>();
  const held = holdWhenFree(there.locks, [KEY], () => {
    clearTimeout(quiet);
    quiet = setTimeout(resolve, 200);
  });
  await isAsleep;
  const releasedAtMs = performance.now();
  await lease.release();
  const { leases } = await held;
  const tookMs = performance.now() - releasedAtMs;
  await leases[0]?.release();
  return tookMs;
}

test("a new bucket begins above the highest fencing token of the database", async (t) => {
  await using server = await startTestBroker();
  const highest = 2e15 + 7; // of a worker whose clock was ahead
  const nc = await connectNats({ url: server.url, name: "first" });
  await openBroker(nc, { highestFence: async () => highest });
  await using party = await joinGrid(server.url);
  await using lease = await hold(party.locks, KEY);
  t.true(lease.fencingToken > highest);
  await nc.close();
});

test("tokens do not fall when the bucket is deleted, and the leases in it are lost", async (t) => {
  await using grid = await startGrid();
  const { here, there } = grid;
  const old = await hold(here.locks, KEY);
  const lost = new Promise((resolve) => old.signal.addEventListener("abort", resolve));
  await there.broker.jsm.streams.delete(LOCKS_STREAM);
  const lease = await hold(there.locks, KEY);
  t.true(lease.fencingToken > old.fencingToken);
  await lost;
  t.true(there.alarms.some((alarm) => alarm.includes("bucket locks")));
  lease.checkDeadline();
  await lease.release();
});

test("whoever finds a bucket that nobody raised raises it, and takes its lock anew", async (t) => {
  await using grid = await startGrid();
  const { here, there } = grid;
  const old = await hold(here.locks, KEY);
  const { config } = await here.broker.jsm.streams.info(LOCKS_STREAM);
  await here.broker.jsm.streams.delete(LOCKS_STREAM);
  await here.broker.jsm.streams.add(config);
  const lease = await hold(there.locks, KEY);
  t.true(lease.fencingToken > old.fencingToken);
  t.like(await there.bucket.read(KEY), { holder: lease.holder });
  await lease.release();
});

test("a raise frees every lock and leaves watchers alive", async (t) => {
  await using grid = await startGrid();
  const { here, there } = grid;
  await wakeMs(grid); // The watcher of `there` is open now.
  const old = await hold(here.locks, KEY);
  const { jsm } = here.broker;
  await raiseLocks({ jsm, observer: silentObserver });
  const lease = await hold(there.locks, KEY);
  t.true(lease.fencingToken > old.fencingToken);
  await lease.release();
  await old.release();
  const tookMs = await wakeMs(grid);
  t.true(tookMs < TTL_MS / 2, `${tookMs} ms`);
});

test("a bucket that has rested goes on above the present time, and one in use is left alone", async (t) => {
  await using grid = await startGrid();
  const { broker, locks } = grid.here;
  const lease = await hold(locks, KEY);
  t.false(await raiseAfterRest(broker));
  t.false(await raiseAfterRest(broker, { restMs: 0, ttlMs: 60_000 }), "a lease of this length may be older");
  lease.checkDeadline();
  await lease.release();
  const before = Date.now();
  await until(async () => (await raiseAfterRest(broker, { restMs: 1 })) || undefined, "a millisecond of rest");
  await using next = await hold(locks, KEY);
  t.true(next.fencingToken >= before * 1_000);
});

test("a bucket behind the database is raised, and one that is not is left alone", async (t) => {
  await using grid = await startGrid();
  const { here } = grid;
  const { js, jsm } = here.broker;
  const lease = await hold(here.locks, KEY);
  const { fencingToken } = lease;
  const kept: string[] = [];
  const options = { js, jsm, observer: silentObserver, keepIncident: ({ text }: Happened) => void kept.push(text) };
  t.false(await raiseIfBehind({ ...options, highestFence: async () => fencingToken }));
  t.deepEqual(kept, []);
  lease.checkDeadline();
  const highest = fencingToken + 5_000;
  t.true(await raiseIfBehind({ ...options, highestFence: async () => highest }));
  t.deepEqual(kept, ["The bucket locks has lost its newest revisions; raising them"]);
  await lease.release();
  await using next = await hold(here.locks, KEY);
  t.true(next.fencingToken > highest);
});

test("locks that are taken and committed while the two stores are compared are no fall: no alarm, and none is lost", async (t) => {
  await using server = await startTestBroker();
  let committed = 0;
  // Others commit while the database is asked and while it answers.
  const highestFence = async () => {
    await pause(2);
    const answer = committed;
    await pause(2);
    return answer;
  };
  await using joined = new AsyncDisposableStack();
  const parties: Party[] = [];
  for (const worker of ["a", "b", "c"]) {
    parties.push(joined.use(await joinGrid(server.url, { worker, highestFence })));
  }
  const ended = new AbortController();
  let runs = 0;
  async function work({ locks }: Party, key: string): Promise<void> {
    while (!ended.signal.aborted) {
      const { leases } = await holdWhenFree(locks, [key]);
      for (const lease of leases) {
        lease.checkDeadline();
        committed = Math.max(committed, lease.fencingToken);
        runs++;
        await lease.release();
      }
    }
  }
  const held = await Promise.all(parties.map(({ locks }, index) => hold(locks, `my_pilot.held-${index}`)));
  const working = parties.flatMap((party) => [work(party, "my_pilot.wanted-1"), work(party, "my_pilot.wanted-2")]);
  const raised = await Promise.all(
    parties.map(async ({ locks }) => {
      let count = 0;
      for (let call = 0; call < 40 || runs <= 100; call++) if (await locks.raiseIfBehind()) count++;
      return count;
    }),
  );
  ended.abort();
  await working;
  t.deepEqual(raised, [0, 0, 0]);
  t.deepEqual(
    parties.flatMap(({ alarms }) => alarms),
    [],
  );
  for (const lease of held) {
    t.notThrows(() => lease.checkDeadline());
    t.like(await parties[0]?.bucket.read(lease.key), { holder: lease.holder });
    await lease.release();
  }
});

test("a bucket that fell while locks are taken in it is seen and raised", async (t) => {
  await using grid = await startGrid();
  const { here, there } = grid;
  const { js, jsm } = here.broker;
  const before = await hold(here.locks, KEY);
  const highestFence = async () => before.fencingToken + 1_000;
  await before.release();
  await (await hold(there.locks, KEY)).release(); // it goes on counting below what the database has
  t.true(await raiseIfBehind({ js, jsm, observer: silentObserver, highestFence, keepIncident: () => {} }));
  await using next = await hold(there.locks, KEY);
  t.true(next.fencingToken > before.fencingToken + 1_000);
});

test("a waiter whose watcher is mute goes on within the TTL and a second, and hears again soon after", async (t) => {
  const ttlMs = 3_000;
  await using grid = await startGrid({ ttlMs });
  const { here } = grid;
  await wakeMs(grid); // The watcher of the other one is open, and stays mute from here on.
  await here.broker.jsm.streams.delete(LOCKS_STREAM);
  await here.broker.declareMissing();
  const tookMs = await wakeMs(grid);
  t.true(tookMs < ttlMs + 30_000, `${tookMs} ms`);

  // One that hears nothing sleeps for the TTL and a second each time.
  let soonMs = tookMs;
  while (soonMs > ttlMs / 2) soonMs = await wakeMs(grid);
  t.true(soonMs <= ttlMs / 2);
});

test("I12: the bucket is deleted under load, and work goes on within ten seconds with rising tokens", async (t) => {
  await using grid = await startGrid({ ttlMs: 2_000 });
  const { here, there } = grid;
  const tokens = new Map<string, number[]>();
  const ended = new AbortController();
  async function work({ locks }: Party, key: string): Promise<void> {
    while (!ended.signal.aborted) {
      const { leases } = await holdWhenFree(locks, [key]);
      for (const lease of leases) {
        tokens.set(key, [...(tokens.get(key) ?? []), lease.fencingToken]);
        await pause(1);
        await lease.release();
      }
    }
  }
  const keys = ["a", "b", "c", "d"].map((ce) => `my_pilot.${ce}`);
  const working = Promise.all(keys.flatMap((key) => [work(here, key), work(there, key)]));
  working.catch(() => ended.abort()); // What waits for their numbers below ends as well, and the error is thrown there.
  const counts = () => keys.map((key) => tokens.get(key)?.length ?? 0);
  while (!ended.signal.aborted && counts().some((count) => count < 5)) await pause(10);

  const before = counts();
  const deletedAtMs = performance.now();
  await here.broker.jsm.streams.delete(LOCKS_STREAM);
  while (!ended.signal.aborted && counts().some((count, index) => count < (before[index] ?? 0) + 5)) await pause(10);
  const tookMs = performance.now() - deletedAtMs;
  ended.abort();
  await working;
  t.log(`${Math.round(tookMs)} ms`);
  t.true(tookMs < 30_000, `${tookMs} ms`); // ten seconds on a machine of its own
  for (const given of tokens.values())
    t.deepEqual(
      given,
      given.toSorted((a, b) => a - b),
    );
});
