import test from "ava";
import { compareStores, type StoresSeen } from "./compare_stores.ts";

const AT = "2026-01-01T10:00:00.000Z";
const LATER = "2026-01-01T12:00:00.000Z";
const BORN = "2026-01-01T09:00:00.123456789Z";
const stream = (lastSequence: number, createdAt = BORN) => ({ createdAt, lastSequence, firstAt: AT, lastAt: AT });

function seen(database: number | undefined, nats: number | undefined, at = { tasks: 100, now: 100 }): StoresSeen {
  return {
    database:
      database === undefined
        ? undefined
        : { number: database, positions: { TASKS: stream(at.tasks), KV_locks: stream(7) }, markedAt: LATER },
    nats: nats === undefined ? undefined : { number: nats, at: AT },
    positions: { TASKS: stream(at.now), KV_locks: stream(9) },
  };
}

test("two stores that go together have not fallen, whether a process died between the halves of a mark or not", (t) => {
  for (const [database, nats] of [
    [undefined, undefined],
    [7, 7],
    [8, 7],
    [1, undefined],
  ]) {
    t.deepEqual(compareStores(seen(database, nats)), []);
  }
});

test("a lower number tells which of the two stores was restored, and from when to when it lacks something", (t) => {
  t.deepEqual(compareStores(seen(9, 7)), [{ kind: "NATS fell", since: AT, until: LATER, isWhole: true, streams: [] }]);
  t.deepEqual(compareStores(seen(7, 8)), [{ kind: "the database fell", since: LATER, until: AT }]);
  t.deepEqual(compareStores(seen(undefined, 8)), [{ kind: "the database is new", until: AT }]);
});

test("a stream with a lower sequence than at the mark has fallen, and one that was declared again has not", (t) => {
  const [fall] = compareStores(seen(7, 7, { tasks: 100, now: 60 }));
  const streams = [{ stream: "TASKS", lost: 40 }];
  t.deepEqual(fall, { kind: "NATS fell", since: LATER, until: LATER, isWhole: false, streams });
  const anew = { ...seen(7, 7), positions: { TASKS: stream(3, AT), KV_locks: stream(9) } };
  t.deepEqual(compareStores(anew), []);
});

test("a stream that the server restored from a backup has fallen although it has a new time of creation", (t) => {
  const restored = { ...seen(7, 7), positions: { TASKS: stream(60, LATER), KV_locks: stream(9) } };
  t.like(compareStores(restored), [{ kind: "NATS fell", streams: [{ stream: "TASKS", lost: 40 }] }]);
});

test("a stream that was restored from a backup has fallen although more was stored in it since than it has lost", (t) => {
  const of = (lastAt: string) => ({ TASKS: { ...stream(140, LATER), lastAt }, KV_locks: stream(9) });
  const restored = { ...seen(7, 7), positions: of("2026-01-01T13:00:00.000Z") };
  t.like(compareStores(restored), [{ kind: "NATS fell", isWhole: false, streams: [{ stream: "TASKS", lost: 0 }] }]);
  t.deepEqual(
    compareStores({ ...restored, positions: of(AT) }),
    [],
    "as new as the mark, and nothing was stored since",
  );
});

test("a NATS whose streams are all others than at the mark is new", (t) => {
  const anew = { TASKS: stream(3, AT), KV_locks: stream(9, AT) };
  t.deepEqual(compareStores({ ...seen(7, undefined), positions: anew }), [{ kind: "NATS is new", until: LATER }]);
});
