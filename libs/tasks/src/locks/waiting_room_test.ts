import test from "ava";
import { type Waiter, WaitingRoom } from "./waiting_room.ts";

const key = "my_pilot.ce01.example.org";

function openRoom({ perProcess = 10, perKey = 10, ttlMs = 60_000 } = {}) {
  const room = new WaitingRoom(ttlMs, { perProcess, perKey });
  const resumed: string[] = [];
  const waiter = (name: string): Waiter => ({ resume: () => void resumed.push(name) });
  /** A waiter that found its lock held and sleeps. */
  function asleep(name: string): Waiter {
    const each = waiter(name);
    room.lineUp(key, each);
    room.foundHeld(key, each);
    room.sleep(each);
    return each;
  }
  return { room, resumed, waiter, asleep };
}

/** Waits until all that was put off to the next turn of the event loop is done. */
const nextTurn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

test("only the first of a line tries, and the others follow in order of arrival", (t) => {
  const { room, resumed, waiter, asleep } = openRoom();
  const first = waiter("first");
  t.true(room.lineUp(key, first));
  asleep("second");
  asleep("third");
  t.false(room.lineUp(key, waiter("fourth")));

  room.took(key, first, 10);
  t.deepEqual(resumed, [], "the lock is taken: nobody need try");
  room.freed(key, 11);
  t.deepEqual(resumed, ["second"]);
});

test("a release that falls between a try and the sleep wakes the waiter all the same", async (t) => {
  const { room, resumed, waiter } = openRoom();
  const first = waiter("first");
  room.lineUp(key, first);
  room.freed(key, 11);
  room.foundHeld(key, first);
  t.true(room.sleep(first));
  await nextTurn();
  t.deepEqual(resumed, ["first"]);
});

test("news of a release older than the lease that followed it wake nobody", (t) => {
  const { room, resumed, waiter, asleep } = openRoom();
  const first = waiter("first");
  room.lineUp(key, first);
  asleep("second");
  room.took(key, first, 12);
  room.heardFreed(key, 11);
  t.deepEqual(resumed, []);
});

test("the same release told twice, here and by the watcher, resumes one waiter", (t) => {
  const { room, resumed, asleep } = openRoom();
  const first = asleep("first");
  asleep("second");
  room.freed(key, 11);
  room.heardFreed(key, 11);
  room.took(key, first, 12);
  room.heardFreed(key, 11);
  t.deepEqual(resumed, ["first"]);
});

test("a waiter that the watcher woke before its own process had let go is woken again then", (t) => {
  const { room, resumed, waiter } = openRoom();
  const first = { resume: () => void resumed.push("first") };
  const sleep = () => {
    room.lineUp(key, first);
    room.foundHeld(key, first);
    room.sleep(first);
  };
  sleep();
  room.heardFreed(key, 11);
  sleep();
  room.freed(key, 11);
  t.deepEqual(resumed, ["first", "first"]);
  t.false(room.lineUp(key, waiter("second")));
});

test("a waiter that is forgotten at its turn passes the turn on", (t) => {
  const { room, resumed, asleep } = openRoom();
  const first = asleep("first");
  asleep("second");
  room.freed(key, 11);
  room.forget(first);
  t.deepEqual(resumed, ["first", "second"]);
});

test("a line that is full keeps who came first and tells the others", (t) => {
  const { room, waiter } = openRoom({ perKey: 3 });
  const waiters = Array.from({ length: 5 }, (_, index) => waiter(String(index)));
  for (const each of waiters) room.lineUp(key, each);
  t.deepEqual(
    waiters.map((each) => room.sleep(each)),
    [true, true, true, false, false],
  );
  t.is(room.waiting(key), 3);
});

test("a full room is full for every key, and has room again when one leaves", (t) => {
  const { room, waiter } = openRoom({ perProcess: 2 });
  const waiters = ["a", "b", "c"].map((name) => {
    const each = waiter(name);
    room.lineUp(`my_pilot.${name}`, each);
    return each;
  });
  t.deepEqual(
    waiters.map((each) => room.sleep(each)),
    [true, true, false],
  );
  const [first] = waiters;
  if (first !== undefined) room.forget(first);
  const late = waiter("d");
  room.lineUp("my_pilot.d", late);
  t.true(room.sleep(late));
});

test("a waiter for two locks keeps one place, in the line of the one it found held", (t) => {
  const { room, waiter } = openRoom();
  const both = waiter("both");
  room.lineUp("a", both);
  room.lineUp("b", both);
  room.foundHeld("b", both);
  t.deepEqual([room.waiting("a"), room.waiting("b")], [0, 1]);
});

test("without any news the first is resumed a second after the holder's TTL", async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { room } = openRoom({ ttlMs: 60_000 });
  const waiter = { resume: resolve };
  room.lineUp(key, waiter);
  room.foundHeld(key, waiter, 200);
  const startedAtMs = performance.now();
  room.sleep(waiter);
  const alive = setTimeout(() => {}, 60_000); // The room's own timers keep no process alive.
  await promise;
  clearTimeout(alive);
  const tookMs = performance.now() - startedAtMs;
  t.true(tookMs >= 1_190 && tookMs < 12_000, `${tookMs} ms`);
});
