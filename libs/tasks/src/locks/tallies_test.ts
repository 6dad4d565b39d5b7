import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { defineLockType, type Lock } from "../definition/lock_type.ts";
import { within } from "../testing/patience.ts";
import { ask, joinGrid, type Party, startTestBroker, take, wait } from "./_grid_test.ts";
import type { Turn } from "./turns.ts";

const server = await startTestBroker();
test.after.always(() => server[Symbol.asyncDispose]());

const site = defineLockType("tally_site");

/** Waits for a limit until a task may begin, as a worker does. Returns when it began. */
async function begin(party: Party, limit: Lock): Promise<number> {
  for (;;) {
    const turns = await wait(party, limit);
    const atMs = performance.now();
    if (turns.every((turn) => turn.begin?.() !== false)) return atMs;
    await letGo(turns); // this process stood still
  }
}

const letGo = (turns: readonly Turn[]) => Promise.all(turns.map((turn) => turn.release()));

test("readers hold a lock together with one token, and a writer has it alone with a higher one", async (t) => {
  await using here = await joinGrid(server.url, { worker: "here" });
  await using there = await joinGrid(server.url, { worker: "there" });
  const [reader, writer] = [site.shared("rw"), site.exclusive("rw")];
  const first = await take(here, reader);
  const second = await take(there, reader);
  const third = await take(here, reader);
  t.is(new Set([first, second, third].map(([turn]) => turn?.fencingToken)).size, 1);
  t.is(new Set([first, second, third].map(([turn]) => turn?.holder)).size, 1);
  t.is(await ask(there, writer), writer.key);
  for (const turns of [first, second, third]) await letGo(turns);

  const [alone] = await take(there, writer);
  t.true((alone?.fencingToken ?? 0) > (first[0]?.fencingToken ?? Infinity));
  t.is(await ask(here, reader), reader.key);
  t.is(await ask(here, writer), writer.key);
  await alone?.release();
  const [later] = await take(here, reader);
  t.true((later?.fencingToken ?? 0) > (alone?.fencingToken ?? Infinity));
  await later?.release();
});

test("a waiting writer is woken by the last reader of another process, and readers who come later wait behind it", async (t) => {
  await using here = await joinGrid(server.url, { worker: "here" });
  await using there = await joinGrid(server.url, { worker: "there" });
  const [reader, writer] = [site.shared("queue"), site.exclusive("queue")];
  const held = await take(here, reader);
  const order: string[] = [];
  const writing = wait(there, writer).then((turns) => {
    order.push("writer");
    return turns;
  });
  for (;;) {
    const turns = await ask(here, reader);
    if (typeof turns === "string") break;
    await letGo(turns);
    await pause(10); // Nobody tells when the writer's place in the line is stored.
  }
  const reading = wait(here, reader).then((turns) => {
    order.push("reader");
    return turns;
  });
  await letGo(held);
  await letGo(await writing);
  await letGo(await reading);
  t.deepEqual(order, ["writer", "reader"]);
});

test("a concurrency limit is one over all processes, and a released part is taken by who waits", async (t) => {
  await using here = await joinGrid(server.url, { worker: "here" });
  await using there = await joinGrid(server.url, { worker: "there" });
  const limit = site.concurrency("few", 2);
  const first = await take(here, limit);
  await take(there, limit);
  t.is(await ask(there, limit), limit.key);
  const waiting = wait(there, limit);
  await letGo(first);
  await letGo(await waiting);
});

test("quota is given back where a later limit of the same task cannot be had", async (t) => {
  await using here = await joinGrid(server.url, { worker: "here" });
  await using there = await joinGrid(server.url, { worker: "there" });
  const few = site.concurrency("back", 1);
  const [once, other] = [site.rate("back_a", "1/1d"), site.rate("back_b", "1/1d")];
  const [used] = await take(there, other);
  used?.begin?.();
  t.is(await ask(here, few, once, other), other.key);
  // The keeper gives it back on its own, so another process waits for that.
  const taken = await wait(there, few, once);
  for (const turn of taken) turn.begin?.();
  t.is(await ask(here, once), once.key);
});

// Those that work without a break go one after the other: together they kept an answer from others for ten seconds on a busy machine.
test.serial("tasks that want the same locks in opposite orders never wait for each other", async (t) => {
  await using here = await joinGrid(server.url, { worker: "here" });
  await using there = await joinGrid(server.url, { worker: "there" });
  const locks = [site.mutex("order"), site.exclusive("order"), site.concurrency("order", 1), site.exclusive("another")];
  let inside = 0;
  const runs = [here, there].flatMap((party, number) =>
    Array.from({ length: 3 }, async () => {
      const turns = await wait(party, ...(number === 0 ? locks : locks.toReversed()));
      t.is(++inside, 1);
      await pause(1);
      inside--;
      await letGo(turns);
    }),
  );
  await Promise.all(runs);
});

test.serial(
  "no more tasks begin within a window than its rate allows, and the rest of them as soon as it does",
  async (t) => {
    await using here = await joinGrid(server.url, { worker: "here" });
    await using there = await joinGrid(server.url, { worker: "there" });
    const limit = site.rate("window", "20/1s");
    const begun: number[] = [];
    const runs = [here, there].flatMap((party) =>
      Array.from({ length: 35 }, async () => {
        begun.push(await begin(party, limit));
      }),
    );
    await Promise.all(runs);
    begun.sort((a, b) => a - b);
    t.is(begun.length, 70);
    for (const [at, ms] of begun.entries()) {
      const after = begun[at + 20];
      if (after !== undefined)
        t.true(after - ms >= 1_000, `the ${at}th and the ${at + 20}th are ${after - ms} ms apart`);
    }
  },
);

test.serial(
  "hundreds of tasks of two processes that want one limit at once travel together in few writes",
  async (t) => {
    const room = { perKey: 1_000, perProcess: 10_000 };
    await using here = await joinGrid(server.url, { worker: "here", room });
    await using there = await joinGrid(server.url, { worker: "there", room });
    const limit = site.rate("many", "100000/1s");
    let writes = 0;
    here.broker.nc.subscribe(`$KV.locks.${limit.key}`, { callback: () => void writes++ });
    const runs = [here, there].flatMap((party) => Array.from({ length: 300 }, () => begin(party, limit)));
    await within(Promise.all(runs), () => "the begin of all");
    await here.broker.nc.flush();
    t.log(`${writes} writes`);
    t.true(writes < 300, `${writes} writes for 600 tasks`);
  },
);

test.serial("a writer gets its turn under a stream of readers of its own process and of another one", async (t) => {
  await using here = await joinGrid(server.url, { worker: "here" });
  await using there = await joinGrid(server.url, { worker: "there" });
  let hasWritten = false;
  let reads = 0;
  async function readOn(party: Party): Promise<void> {
    while (!hasWritten) {
      const turns = await wait(party, site.shared("stream"));
      reads++;
      await pause(5);
      await letGo(turns);
    }
  }
  // Each begins before the others have ended, so that some reader has the lock all the time.
  const readers = [here, here, here, there, there, there].map((party) => readOn(party));
  while (reads < 20) await pause(5);
  const turns = await within(wait(here, site.exclusive("stream")), () => "the writer's turn");
  hasWritten = true;
  await letGo(turns);
  await Promise.all(readers);
  t.pass();
});

test("a lease that was lost is given back at once, and not after its time to live", async (t) => {
  await using here = await joinGrid(server.url, { worker: "here", ttlMs: 600_000 });
  const reader = site.shared("lost");
  const [lease] = await take(here, reader);
  await here.broker.jsm.streams.purge("KV_locks", { filter: `$KV.locks.${reader.key}` });
  await letGo(await take(here, reader)); // what it reads now says that the first lease has gone
  t.throws(() => lease?.checkDeadline(), { name: "LeaseLostError" });
  await within(lease?.release() ?? Promise.resolve(), () => "the release");
});
