import test from "ava";
import type { Lock } from "../definition/lock_type.ts";
import { type KeptLock, KeptLocks } from "./kept_locks.ts";
import { openGate } from "./tally_lease.ts";

interface Kept extends KeptLock {
  /** What was done with it. */
  readonly done: string[];
}

function keptLock(kind: "mutex" | "exclusive" | "shared", key: string): Kept {
  const done: string[] = [];
  const turn = {
    ...openGate(key),
    renewUntil: (untilMs: number) => void done.push(`until ${untilMs}`),
    release: async () => void done.push("released"),
  };
  return { kind, turn, done };
}

function lost(lock: Kept): Kept {
  const checkDeadline = () => {
    throw new Error("lost");
  };
  return { ...lock, turn: { ...lock.turn, checkDeadline } };
}

const exclusive = (key: string): Lock => ({ kind: "exclusive", key });

test("what is kept is renewed to the end of the wait, and from its next try on to the end of its run", async (t) => {
  const kept = new KeptLocks({ afterMs: 0 });
  const waiter = { resume() {} };
  const lock = keptLock("exclusive", "a");
  kept.noteRefused(waiter, 1);
  kept.keep(waiter, [lock], 700);
  t.deepEqual(kept.missing(["a", "b"], waiter), ["b"]);
  t.deepEqual(await kept.takeUp(waiter, [exclusive("a"), exclusive("b")], 900), [lock]);
  t.deepEqual(lock.done, ["until 700", "until 900"]);
  kept.forget(waiter);
  t.deepEqual(lock.done, ["until 700", "until 900"]);
});

test("all behind a lock that was lost, is wanted otherwise or is wanted no more is given back, so that the one order stands", async (t) => {
  const kept = new KeptLocks({ afterMs: 0 });
  const cases: readonly { name: string; order: readonly Lock[]; second?: (lock: Kept) => Kept }[] = [
    { name: "lost", order: [exclusive("a"), exclusive("b"), exclusive("c")], second: lost },
    { name: "wanted otherwise", order: [exclusive("a"), { kind: "shared", key: "b" }, exclusive("c")] },
    { name: "wanted no more", order: [exclusive("a"), exclusive("c")] },
    { name: "another between", order: [exclusive("a"), exclusive("aa"), exclusive("b"), exclusive("c")] },
  ];
  for (const { name, order, second = (lock: Kept) => lock } of cases) {
    const waiter = { resume() {} };
    const locks = [keptLock("exclusive", "a"), second(keptLock("exclusive", "b")), keptLock("exclusive", "c")];
    kept.noteRefused(waiter, 3);
    kept.keep(waiter, locks, 700);
    t.deepEqual(
      (await kept.takeUp(waiter, order, 900)).map(({ turn }) => turn.key),
      ["a"],
      name,
    );
    t.deepEqual(
      locks.map(({ done }) => done.at(-1)),
      ["until 900", "released", "released"],
      name,
    );
  }
});

test("a waiter is patient once it has waited since its first refusal, and no more once it was forgotten", (t) => {
  const kept = new KeptLocks({ afterMs: 0 });
  const waiter = { resume() {} };
  t.false(kept.isPatient(waiter));
  kept.noteRefused(waiter, 0);
  t.true(kept.isPatient(waiter));
  t.false(new KeptLocks({ afterMs: 600_000 }).isPatient(waiter));
  kept.forget(waiter);
  t.false(kept.isPatient(waiter));
});

test("a waiter is overtaken once it was refused at an earlier lock than before", (t) => {
  const kept = new KeptLocks({ afterMs: 0 });
  const waiter = { resume() {} };
  const after = (at: number) => {
    kept.noteRefused(waiter, at);
    return kept.isOvertaken(waiter);
  };
  t.deepEqual([0, 1, 2, 2, 1, 2].map(after), [false, false, false, false, true, true]);
  kept.forget(waiter);
  t.false(kept.isOvertaken(waiter));
});
