import { TimeoutError } from "@nats-io/nats-core";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { momentNow, sharedNowMs } from "./clocks.ts";
import { LeaseState } from "./lease_state.ts";
import type { LockBucket, StoredLock } from "./lock_bucket.ts";
import { openRenewals } from "./renewals.ts";

// A lease lasts a second less. A machine that stands still for so long would lose it in each of these tests.
const ttlMs = 6_000;
const record = { holder: "me", worker: "w1", taskId: "t1", since: "2027-01-01T00:00:00.000Z" };

/** One lock in memory, whose answers a test may lose. */
function fakeBucket({ loses }: { loses: (write: number) => boolean }) {
  const { promise: renewedTwice, resolve } = Promise.withResolvers<void>();
  let stored: StoredLock = { kind: "taken", revision: 1, holder: record.holder, worker: record.worker, ttlMs };
  let writes = 0;
  const bucket: LockBucket = {
    async write(_key, { record: { holder, worker }, expected }) {
      writes++;
      if (expected !== stored.revision) return undefined;
      stored = { kind: "taken", revision: stored.revision + 1, holder, worker, ttlMs };
      if (stored.revision >= 3) resolve();
      if (loses(writes)) throw new TimeoutError();
      return stored.revision;
    },
    free: async () => undefined,
    read: async () => stored,
  };
  function store(lock: StoredLock): void {
    stored = lock;
  }
  return { bucket, renewedTwice, store };
}

function keep(bucket: LockBucket, { untilMs = Number.POSITIVE_INFINITY, sent = momentNow() } = {}) {
  const { promise: lost, resolve } = Promise.withResolvers<string>();
  const state = new LeaseState(ttlMs);
  state.noteWrite(1, sent);
  state.renewUntil(untilMs);
  const renewals = openRenewals(bucket, (_id, reason) => resolve(reason));
  renewals.keep(1, { key: "k", record, ttlMs, shared: state.shared });
  return { state, lost, [Symbol.dispose]: () => renewals[Symbol.dispose]() };
}

test("a renewal whose answer was lost is found stored, and the lease goes on", async (t) => {
  const { bucket, renewedTwice } = fakeBucket({ loses: (write) => write === 1 });
  using kept = keep(bucket);
  await renewedTwice;
  t.true(kept.state.isHeld);
  t.true(kept.state.revision >= 2);
});

test("a lock that another one holds is lost, and the reason names its worker", async (t) => {
  const { bucket, store } = fakeBucket({ loses: () => false });
  store({ kind: "taken", revision: 7, holder: "other", worker: "w2", ttlMs });
  using kept = keep(bucket);
  t.regex(await kept.lost, /worker w2 holds it/);
  t.false(kept.state.isHeld);
});

test("a lock that has lapsed is lost", async (t) => {
  const { bucket, store } = fakeBucket({ loses: () => false });
  store({ kind: "mark", revision: 7 });
  using kept = keep(bucket);
  t.regex(await kept.lost, /lapsed/);
});

test("silence loses the lease at its deadline, a second before the TTL", async (t) => {
  const { bucket } = fakeBucket({ loses: () => false });
  const startedAtMs = sharedNowMs();
  // Timers of one thread come in order, however late all of them are.
  const lapsed = pause(ttlMs, "lapsed");
  using kept = keep({ ...bucket, write: () => Promise.reject(new TimeoutError()) });
  t.regex(await Promise.race([kept.lost, lapsed]), /deadline.*[Tt]imeout/);
  const tookMs = sharedNowMs() - startedAtMs;
  t.true(tookMs >= ttlMs - 1_000, `${tookMs} ms`);
});

test("a wall clock that jumped ahead makes the renewal due at once, and loses nothing", async (t) => {
  const { bucket, renewedTwice } = fakeBucket({ loses: () => false });
  const now = momentNow();
  using kept = keep(bucket, { sent: { ...now, wallMs: now.wallMs - 3 * 3_600_000 } });
  t.true(kept.state.isPastDeadline);
  await renewedTwice;
  t.true(kept.state.isHeld);
  t.false(kept.state.isPastDeadline);
});
