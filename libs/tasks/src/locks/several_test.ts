import test from "ava";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { defineLockType, type Lock } from "../definition/lock_type.ts";
import { ask, joinGrid, type Party, startTestBroker, take, wait } from "./_grid_test.ts";
import type { Turn } from "./turns.ts";
import type { Waiter } from "./waiting_room.ts";

const server = await startTestBroker();
test.after.always(() => server[Symbol.asyncDispose]());

const site = defineLockType("several_site");

const letGo = (turns: readonly Turn[]) => Promise.all(turns.map((turn) => turn.release()));

/** Resolves once the lock is refused to `party`. Nobody tells when somebody's place in its line is stored. */
async function refused(party: Party, lock: Lock): Promise<void> {
  for (;;) {
    const turns = await ask(party, lock);
    if (typeof turns === "string") return;
    await letGo(turns);
    await pause(5);
  }
}

/**
 * Lets a task of `here` wait for `locks`, whose first is held, and then free, and whose last is held by a reader from then on. So it was
 * refused twice. Returns once it stands in line for the last, with that reader's lease. `first`: what others take of the first lock.
 */
async function comeToLast({ here, there }: { here: Party; there: Party }, locks: readonly Lock[], first: Lock) {
  const [last] = locks.slice(-1);
  if (last === undefined) throw new Error("no lock");
  const reader = site.shared(last.key.split(".").slice(2).join("."));
  const early = await take(there, reader);
  const { promise: waiting, resolve, reject } = Promise.withResolvers<readonly Turn[]>();
  async function attempt(): Promise<void> {
    const request = { taskId: "several", untilMs: Number.POSITIVE_INFINITY, waiter };
    const answer = await here.locks.tryAcquireAll(locks, request);
    if (answer.kind === "taken") resolve(answer.leases);
    else if (!here.locks.wait(waiter)) throw new Error(`the room is full at ${answer.by}`);
  }
  const waiter: Waiter = { resume: () => void attempt().catch(reject) };
  waiter.resume();
  await refused(there, reader); // it stands in line for the last, and gave the first one back
  const between = await wait(there, first);
  await letGo(early);
  const late = await wait(there, reader); // it stands in line for the first
  await letGo(between);
  await refused(there, reader);
  return { waiting, late, waiter };
}

async function twoParties(keepAfterMs = 0): Promise<{ here: Party; there: Party } & AsyncDisposable> {
  const here = await joinGrid(server.url, { worker: "here", keepAfterMs });
  const there = await joinGrid(server.url, { worker: "there", keepAfterMs });
  return {
    ...{ here, there },
    async [Symbol.asyncDispose]() {
      await here[Symbol.asyncDispose]();
      await there[Symbol.asyncDispose]();
    },
  };
}

test("I44: a writer of two locks keeps the first while it waits for the second, so that readers of both starve it no more", async (t) => {
  await using parties = await twoParties();
  const first = site.shared("both_a");
  const { waiting, late } = await comeToLast(parties, [site.exclusive("both_a"), site.exclusive("both_b")], first);
  const order: string[] = [];
  const writing = waiting.then((turns) => {
    order.push("writer");
    return turns;
  });
  const reading = wait(parties.there, first).then((turns) => {
    order.push("reader");
    return turns;
  });
  await letGo(late);
  await Promise.race([writing, reading]);
  t.deepEqual(order, ["writer"]);
  await letGo(await writing);
  await letGo(await reading);
});

test("a mutex is kept as well while its task waits for a read-write lock", async (t) => {
  await using parties = await twoParties();
  const mutex = site.mutex("beside");
  const { waiting, late } = await comeToLast(parties, [mutex, site.exclusive("beside")], mutex);
  t.is(await ask(parties.there, mutex), mutex.key);
  await letGo(late);
  const turns = await waiting;
  t.deepEqual(
    turns.map(({ key }) => key),
    [mutex.key, site.exclusive("beside").key],
  );
  await letGo(turns);
  await letGo(await take(parties.there, mutex));
});

test("who waits no more gives back at once what it has kept", async (t) => {
  await using parties = await twoParties();
  const first = site.shared("gone_a");
  const { late, waiter } = await comeToLast(parties, [site.exclusive("gone_a"), site.exclusive("gone_b")], first);
  t.is(await ask(parties.there, first), first.key);
  parties.here.locks.forget(waiter);
  await letGo(await wait(parties.there, first));
  await letGo(late);
});

test("a lock that is lost while its task waits for another is taken again", async (t) => {
  await using parties = await twoParties();
  const { there } = parties;
  const locks = [site.exclusive("lost_a"), site.exclusive("lost_b")];
  const first = site.shared("lost_a");
  const { waiting, late, waiter } = await comeToLast(parties, locks, first);
  const kept = waiter.kept?.locks[0]?.turn;
  if (kept === undefined) throw new Error("nothing is kept");
  const lost = once(kept.signal, "abort");
  await there.broker.jsm.streams.purge("KV_locks", { filter: `$KV.locks.${first.key}` });
  const between = await wait(there, first);
  await lost;
  await letGo(late);
  await letGo(between);
  const turns = await waiting;
  t.true((turns[0]?.fencingToken ?? 0) > (between[0]?.fencingToken ?? Infinity));
  for (const turn of turns) t.notThrows(() => turn.checkDeadline());
  await letGo(turns);
});

test("nothing is kept before a task has waited for its time, nor while it waits for a limit", async (t) => {
  await using patient = await twoParties();
  await using hasty = await twoParties(600_000);
  const soon = site.shared("soon_a");
  const early = await comeToLast(hasty, [site.exclusive("soon_a"), site.exclusive("soon_b")], soon);
  await letGo(await take(hasty.there, soon));
  await letGo(early.late);
  await letGo(await early.waiting);

  const { here, there } = patient;
  const limit = site.concurrency("few", 1);
  const full = await take(there, limit);
  const first = site.exclusive("limited");
  const waiter = { resume() {} };
  const request = { taskId: "limited", untilMs: Number.POSITIVE_INFINITY, waiter };
  for (const tries of [1, 2]) {
    const answer = await here.locks.tryAcquireAll([first, limit], request);
    t.like(answer, { kind: "held", by: limit.key }, `at try ${tries}`);
    await letGo(await take(there, first));
  }
  here.locks.forget(waiter);
  await letGo(full);
});
