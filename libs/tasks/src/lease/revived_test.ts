import test from "ava";
import { hold, holdWhenFree, joinGrid, renewed } from "../locks/_grid_test.ts";
import { startRevived, storedHolder } from "./_revive_test.ts";
import { Sightings } from "./sightings.ts";
import { takeLock } from "./take.ts";

const [TRIED, HELD, TALKED_OF] = ["my_pilot.tried", "my_pilot.held", "my_pilot.of-the-clock"];
const server = await startRevived([TRIED, HELD, TALKED_OF]);
const party = await joinGrid(server.url);
const other = await joinGrid(server.url, { worker: "other" });
test.after.always(async () => {
  await Promise.all([party[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
  await server[Symbol.asyncDispose]();
});

const record = { holder: "new", worker: "w", taskId: "t", since: "" };

test("a released lock that a kill of the server has brought back is nobody's: the first who wants it has it", async (t) => {
  t.is(await storedHolder(party, TRIED), "gone", "the server has it again");
  t.like(await party.bucket.read(TRIED), { kind: "lapsed", worker: "w" });
  await using lease = await hold(party.locks, TRIED);
  t.is(await storedHolder(party, TRIED), lease.holder);
});

test("a lock that was taken over from a revived one is renewed, released and handed to the next as any other", async (t) => {
  t.is(await storedHolder(party, HELD), "gone");
  const { leases, foundHeld } = await holdWhenFree(party.locks, [HELD]);
  const [lease] = leases;
  t.is(foundHeld, 0);
  if (lease === undefined) return t.fail();
  const { promise: isRefused, resolve } = Promise.withResolvers<void>();
  const next = holdWhenFree(other.locks, [HELD], resolve);
  await isRefused;
  await renewed(lease);
  t.like(await other.bucket.read(HELD), { kind: "taken", holder: lease.holder });
  await lease.release();
  const [after] = (await next).leases;
  t.true((after?.fencingToken ?? 0) > lease.fencingToken);
  await after?.release();
});

test("a lock whose revision stands still for longer than its TTL is nobody's, whatever the broker's clock says", async (t) => {
  let nowMs = 0;
  const sightings = new Sightings(() => nowMs);
  // The bucket of a broker whose clock was set back: nothing in it is old.
  const bucket: typeof party.bucket = {
    ...party.bucket,
    async read(key) {
      const found = await party.bucket.read(key);
      return found?.kind === "lapsed" ? { ...found, kind: "taken", holder: "gone", ttlMs: 1_000 } : found;
    },
  };
  const { broker } = party;
  const take = () =>
    takeLock({ broker, bucket, sightings, raise: async () => {} }, { key: TALKED_OF, record, ttlMs: 2_000, mark: 0 });
  t.like(await take(), { kind: "held" });
  nowMs = 1_999;
  t.like(await take(), { kind: "held" });
  nowMs = 2_001;
  t.is((await take()).kind, "taken");
});

test("a lock that somebody has stored by hand stays held, and whoever waits for it tells once a minute what to do", async (t) => {
  const key = "my_pilot.by-hand";
  await party.broker.buckets.locks.put(key, "mine!");
  let nowMs = 0;
  const sightings = new Sightings(() => nowMs);
  const { broker, bucket } = party;
  const taker = { broker, bucket, sightings, raise: async () => {} };
  const told = () => party.alarms.filter((alarm) => alarm.includes(key)).length;
  for (const [atMs, count] of [
    [0, 1],
    [59_000, 1],
    [61_000, 2],
  ] as const) {
    nowMs = atMs;
    t.deepEqual(await takeLock(taker, { key, record, ttlMs: 2_000, mark: 0 }), { kind: "held", ttlMs: undefined });
    t.is(told(), count);
  }
  t.true(party.alarms.some((alarm) => alarm.includes(`muster lock release '${key}'`)));
  await broker.buckets.locks.delete(key);
  t.is((await takeLock(taker, { key, record, ttlMs: 2_000, mark: 0 })).kind, "taken");
});
