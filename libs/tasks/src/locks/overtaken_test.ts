import test from "ava";
import { defineLockType, type Lock } from "../definition/lock_type.ts";
import { ask, joinGrid, type Party, startTestBroker, take, wait } from "./_grid_test.ts";
import type { LimitSource } from "./locks.ts";
import type { Turn } from "./turns.ts";
import type { Waiter } from "./waiting_room.ts";

const server = await startTestBroker();
test.after.always(() => server[Symbol.asyncDispose]());

const site = defineLockType("overtaken_site");
/** Longer than any test. */
const LONG_MS = 600_000;

const letGo = (turns: readonly Turn[]) => Promise.all(turns.map((turn) => turn.release()));

/** A task that wants several locks, and each of its refusals. */
function want({ locks }: Party, wanted: readonly Lock[]) {
  const { promise: taken, resolve, reject } = Promise.withResolvers<readonly Turn[]>();
  const refusals: string[] = [];
  let heard = Promise.withResolvers<void>();
  async function attempt(): Promise<void> {
    const request = { taskId: "overtaken", untilMs: Number.POSITIVE_INFINITY, waiter };
    const answer = await locks.tryAcquireAll(wanted, request);
    if (answer.kind === "taken") return resolve(answer.leases);
    if (!locks.wait(waiter)) throw new Error(`the room is full at ${answer.by}`);
    refusals.push(answer.by);
    heard.resolve();
    heard = Promise.withResolvers();
  }
  const waiter: Waiter = { resume: () => void attempt().catch(reject) };
  waiter.resume();
  return {
    taken,
    /** Resolves once it was refused `count` times, with the last key. */
    async refused(count: number): Promise<string | undefined> {
      while (refusals.length < count) await Promise.race([heard.promise, taken]);
      return refusals[count - 1];
    },
  };
}

/** A task here that wants both: the limit let it in when the lock was taken there. Now the limit is reached again, and it waits for the lock. */
async function overtake(here: Party, there: Party, { lock, limit }: { lock: Lock; limit: Lock }) {
  const before = await take(there, limit);
  const task = want(here, [limit, lock]);
  await task.refused(1);
  const taken = await wait(there, lock);
  await letGo(before);
  await task.refused(2);
  return { task, taken, full: await take(there, limit) };
}

/** What a waiter of two is overtaken at: others hold the one whenever it comes to the other. */
const pairs = [
  { title: "a writer", lock: site.exclusive("rw"), other: site.shared("rw"), limit: site.concurrency("rw", 1) },
  {
    title: "a task with a mutex",
    lock: site.mutex("mutex"),
    other: site.mutex("mutex"),
    limit: site.concurrency("m", 1),
  },
  {
    title: "a task of two limits",
    lock: site.concurrency("a", 1),
    other: site.concurrency("a", 1),
    limit: site.concurrency("b", 1),
  },
];

for (const { title, lock, other, limit } of pairs) {
  test(`I44: ${title} that also waits for a limit keeps the first once it was overtaken`, async (t) => {
    await using here = await joinGrid(server.url, { worker: "here", keepAfterMs: 0, keepForLimitMs: LONG_MS });
    await using there = await joinGrid(server.url, { worker: "there", keepAfterMs: 0 });
    let full = await take(there, limit);
    const task = want(here, [limit, lock]);
    t.is(await task.refused(1), limit.key);
    const taken = await wait(there, other); // it keeps nothing, since a limit may be reached for hours
    await letGo(full);
    t.is(await task.refused(2), lock.key, "the limit was free, and the lock was taken meanwhile");
    full = await take(there, limit);
    await letGo(taken);
    t.is(await task.refused(3), limit.key, "the lock was free, and the limit was reached meanwhile");
    t.is(await ask(there, other), other.key, "others come to the lock again");
    await letGo(full);
    await letGo(await task.taken);
    await letGo(await wait(there, other));
  });
}

test("I44: a limit that stays reached takes the locks from nobody: who keeps them for it gives them back, and has both later", async (t) => {
  await using here = await joinGrid(server.url, { worker: "here", keepAfterMs: 0, keepForLimitMs: 200 });
  await using there = await joinGrid(server.url, { worker: "there", keepAfterMs: 0 });
  const [lock, limit] = [site.mutex("long"), site.concurrency("long", 1)];
  const { task, taken, full } = await overtake(here, there, { lock, limit });
  await letGo(taken);
  t.is(await task.refused(3), limit.key);
  await letGo(await wait(there, lock)); // the limit is reached all the time
  await letGo(full);
  await letGo(await task.taken);
});

test("a task that comes back to a limit goes before those who came later", async (t) => {
  await using here = await joinGrid(server.url, { worker: "here", keepAfterMs: 0, keepForLimitMs: LONG_MS });
  await using there = await joinGrid(server.url, { worker: "there", keepAfterMs: 0 });
  const [lock, limit] = [site.mutex("age"), site.concurrency("age", 1)];
  const { task, taken, full } = await overtake(here, there, { lock, limit });
  const later = want(here, [limit]);
  await later.refused(1);
  await letGo(taken);
  await task.refused(3);
  await letGo(full);
  const order: string[] = [];
  const noted = async (name: string, turns: Promise<readonly Turn[]>) => {
    const leases = await turns;
    order.push(name);
    await letGo(leases);
  };
  await Promise.all([noted("earlier", task.taken), noted("later", later.taken)]);
  t.deepEqual(order, ["earlier", "later"]);
});

test("a task that a rate refuses keeps its locks once it was overtaken, and gives back its quota of another rate", async (t) => {
  const [lock, idle, paced] = [site.exclusive("paced"), site.rate("a_idle", "1/1h"), site.rate("b_paced", "1/1h")];
  // Quota comes back by a higher limit, since a machine may stand still for any window.
  let count = 1;
  const listeners: (() => void)[] = [];
  const limits: LimitSource = {
    limitOf: ({ key }) => ({ rate: { count: key === paced.key ? count : 1, perMs: 3_600_000 } }),
    onChange: (listener) => void listeners.push(listener),
  };
  const raise = () => {
    count++;
    for (const listener of listeners) listener();
  };
  await using here = await joinGrid(server.url, { worker: "here", keepAfterMs: 0, keepForLimitMs: LONG_MS, limits });
  await using there = await joinGrid(server.url, { worker: "there", keepAfterMs: 0, limits });
  for (const turn of await take(there, paced)) turn.begin?.();
  const task = want(here, [lock, idle, paced]);
  t.is(await task.refused(1), paced.key);
  const reader = await wait(there, site.shared("paced"));
  raise();
  t.is(await task.refused(2), lock.key);
  for (const turn of await take(there, paced)) turn.begin?.();
  await letGo(reader);
  t.is(await task.refused(3), paced.key);
  t.is(await ask(there, site.shared("paced")), lock.key);
  await letGo(await wait(there, idle));
  raise();
  await letGo(await task.taken);
});
