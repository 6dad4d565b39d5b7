import { TimeoutError } from "@nats-io/nats-core";
import test from "ava";
import { joinGrid, startTestBroker, TTL_MS } from "../locks/_grid_test.ts";
import { momentNow, sharedNowMs } from "./clocks.ts";
import type { LockBucket } from "./lock_bucket.ts";
import { LOWEST_TOKEN, raiseLocks } from "./raise.ts";
import { Sightings } from "./sightings.ts";
import { LockUnknownError, takeLock } from "./take.ts";

const server = await startTestBroker();
const party = await joinGrid(server.url);
test.after.always(async () => {
  await party[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

let holders = 0;
const newRecord = () => ({ holder: `h${holders++}`, worker: "w", taskId: "t", since: new Date().toISOString() });

function take(key: string, { bucket = party.bucket, record = newRecord(), ttlMs = TTL_MS } = {}) {
  const { broker } = party;
  const raise = () => raiseLocks({ jsm: broker.jsm, observer: broker.observer });
  return takeLock({ broker, bucket, raise, sightings: new Sightings() }, { key, record, ttlMs, mark: 0 });
}

/** A bucket whose first write is stored and never answered. */
function deafOnce({ write, ...bucket }: LockBucket, onStored = async () => {}): LockBucket {
  let isDeaf = true;
  return {
    ...bucket,
    async write(...args) {
      const revision = await write(...args);
      if (!isDeaf) return revision;
      isDeaf = false;
      await onStored();
      throw new TimeoutError();
    },
  };
}

test.serial("of 50 racers one wins, on a fresh key and after a release", async (t) => {
  for (const _round of ["fresh", "released"]) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => take("race")));
    const won = answers.flatMap((answer) => (answer.kind === "taken" ? [answer.fencingToken] : []));
    t.is(won.length, 1);
    t.is(answers.filter(({ kind }) => kind === "held").length, 49);
    t.not(await party.bucket.free("race", { expected: won[0] ?? 0, ttlMs: TTL_MS }), undefined);
  }
});

test.serial("a create whose answer was lost is ours, and its time counts from before the first request", async (t) => {
  const record = newRecord();
  const before = momentNow();
  let storedAtMs = Number.POSITIVE_INFINITY;
  const bucket = deafOnce(party.bucket, async () => {
    storedAtMs = sharedNowMs();
  });
  const answer = await take("lost-answer", { bucket, record });
  t.is(answer.kind, "taken");
  if (answer.kind !== "taken") return;
  t.true(answer.sent.monotonicMs >= before.monotonicMs && answer.sent.monotonicMs <= storedAtMs);
  t.like(await party.bucket.read("lost-answer"), { holder: record.holder, revision: answer.fencingToken });
});

test.serial("a create whose answer was lost for longer than its deadline is freed and taken anew", async (t) => {
  const record = newRecord();
  let first: number | undefined;
  let lateAtMs = Number.POSITIVE_INFINITY;
  const bucket = deafOnce(party.bucket, async () => {
    // The server's clock is held up, not ours: its lock must still be there when we look.
    const stored = await party.bucket.read("late");
    first = stored?.revision;
    await party.bucket.write("late", { record, ttlMs: 60_000, expected: first ?? 0 });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_100);
    lateAtMs = sharedNowMs();
  });
  const answer = await take("late", { bucket, record, ttlMs: 2_000 });
  t.is(answer.kind, "taken");
  if (answer.kind !== "taken") return;
  t.true(answer.fencingToken > (first ?? Number.POSITIVE_INFINITY));
  t.true(answer.sent.monotonicMs >= lateAtMs);
});

test.serial("a lock that somebody wrote by hand is held", async (t) => {
  await party.broker.buckets.locks.put("by-hand", "mine!");
  t.deepEqual(await take("by-hand"), { kind: "held", ttlMs: undefined });
  t.like(await party.bucket.read("by-hand"), { kind: "taken", holder: "" });
});

test.serial("every token is above the lowest", async (t) => {
  const answer = await take("token");
  t.true(answer.kind === "taken" && answer.fencingToken >= LOWEST_TOKEN);
});

test.serial("silence until the connection is closed for good is told with the key", async (t) => {
  const { broker } = party;
  const closed = { ...broker, nc: { ...broker.nc, isClosed: () => true } };
  const bucket = { ...party.bucket, write: () => Promise.reject(new TimeoutError()) };
  const taken = takeLock(
    { broker: closed, bucket, raise: () => Promise.resolve(), sightings: new Sightings() },
    { key: "silent", record: newRecord(), ttlMs: TTL_MS, mark: 0 },
  );
  t.like(await t.throwsAsync(taken, { instanceOf: LockUnknownError }), { key: "silent" });
});
