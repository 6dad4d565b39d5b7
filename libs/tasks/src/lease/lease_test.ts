import test from "ava";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { hold, holdWhenFree, joinGrid, renewed, startTestBroker } from "../locks/_grid_test.ts";
import { LeaseLostError } from "./lease.ts";

const server = await startTestBroker();
/** TTL of the leases, ms: short, and long enough for a machine that stands still for three seconds. */
const TTL_MS = 5_000;
const here = await joinGrid(server.url, { worker: "here", ttlMs: TTL_MS });
const there = await joinGrid(server.url, { worker: "there", ttlMs: TTL_MS });
test.after.always(async () => {
  await Promise.all([here[Symbol.asyncDispose](), there[Symbol.asyncDispose]()]);
  await server[Symbol.asyncDispose]();
});

let keys = 0;
const newKey = () => `my_pilot.ce${keys++}.example.org`;

interface Holder extends Disposable {
  readonly child: ChildProcess;
  readonly lines: string[];
  line(text: string): Promise<void>;
}

/** Another process that holds `key` and, every few milliseconds, looks at its deadline as before a write, and says so. */
async function startHolder(key: string): Promise<Holder> {
  const bed = JSON.stringify(new URL("../locks/_grid_test.ts", import.meta.url).href);
  const script = `
    import { hold, joinGrid } from ${bed};
    const { locks } = await joinGrid(${JSON.stringify(server.url)}, { worker: "frozen", ttlMs: ${TTL_MS} });
    const lease = await hold(locks, ${JSON.stringify(key)});
    console.log("held");
    setInterval(() => {
      try { lease.checkDeadline(); console.log("writes"); }
      catch (error) { console.log("refused", error.name, lease.signal.aborted); process.exit(0); }
    }, 20);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  const reader = createInterface(child.stdout).on("line", (line) => void lines.push(line));
  const died = once(child, "close").then(([code, signal]) => {
    throw new Error(`The holder ended with ${signal ?? code} after ${JSON.stringify(lines)}`);
  });
  died.catch(() => undefined); // it is to be killed; whoever waits for a line hears of it
  const holder = {
    child,
    lines,
    async line(text: string) {
      while (!lines.some((line) => line.startsWith(text))) await Promise.race([once(reader, "line"), died]);
    },
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
  await holder.line("held");
  return holder;
}

test("a killed holder's lock is free within its TTL and a second, though it was renewed for longer", async (t) => {
  const key = newKey();
  using holder = await startHolder(key);
  const first = await here.bucket.read(key);
  let foundHeld = 0;
  const held = holdWhenFree(here.locks, [key], () => foundHeld++);
  let stored = first;
  while (stored?.revision === first?.revision) {
    await pause(50); // A renewal moves the revision, and nothing but a read tells.
    stored = await here.bucket.read(key);
  }
  t.like(stored, { kind: "taken", ttlMs: TTL_MS }, "a renewal keeps its expiry");
  holder.child.kill("SIGKILL");
  const killedAtMs = performance.now();
  const { leases } = await held;
  const tookMs = performance.now() - killedAtMs;
  t.true(tookMs < TTL_MS + 10_000, `${tookMs} ms`);
  t.true((leases[0]?.fencingToken ?? 0) > (stored?.revision ?? 0));
  t.true(foundHeld > 0);
  await leases[0]?.release();
});

test("I9: a holder that was frozen past its lease writes nothing on waking", async (t) => {
  const key = newKey();
  using holder = await startHolder(key);
  await holder.line("writes");
  holder.child.kill("SIGSTOP");
  const { leases } = await holdWhenFree(here.locks, [key]);
  const written = holder.lines.length; // All it wrote was read: more than a second has passed.
  holder.child.kill("SIGCONT");
  await holder.line("refused");
  t.deepEqual(holder.lines.slice(written), ["refused LeaseLostError true"]);
  leases[0]?.checkDeadline();
  await leases[0]?.release();
});

test.serial(
  "a task that holds up its thread for longer than the TTL keeps its lease and its neighbour's",
  async (t) => {
    const [hog, neighbour] = [await hold(here.locks, newKey()), await hold(here.locks, newKey())];
    const waiting = holdWhenFree(there.locks, [neighbour.key]);
    const before = hog.lastWrite.revision;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TTL_MS + 1_500);
    // Not a single message of the thread's was read meanwhile: this reads shared memory.
    hog.checkDeadline();
    neighbour.checkDeadline();
    t.true(hog.lastWrite.revision > before);
    t.like(await here.bucket.read(hog.key), { holder: hog.holder });
    await Promise.all([hog.release(), neighbour.release()]);
    const { leases } = await waiting;
    t.is(leases[0]?.key, neighbour.key);
    await leases[0]?.release();
  },
);

test("renewing stops at the task's timeout, and the lock comes free", async (t) => {
  const key = newKey();
  const startedAtMs = performance.now();
  const lease = await hold(here.locks, key, startedAtMs + 600);
  const waiting = holdWhenFree(there.locks, [key]);
  const [reason] = await Promise.all([
    new Promise((resolve) => lease.signal.addEventListener("abort", () => resolve(lease.signal.reason))),
    waiting,
  ]);
  const tookMs = performance.now() - startedAtMs;
  t.true(reason instanceof LeaseLostError);
  t.true(tookMs < 600 + TTL_MS + 10_000, `${tookMs} ms`);
  const { leases } = await waiting;
  // The old lease's release leaves the new one alone.
  await lease.release();
  t.like(await there.bucket.read(key), { holder: leases[0]?.holder });
  await leases[0]?.release();
});

test("a lock that an operator freed aborts the signal with the key and the token", async (t) => {
  const key = newKey();
  const lease = await hold(here.locks, key);
  const aborted = new Promise((resolve) => lease.signal.addEventListener("abort", resolve));
  await here.broker.buckets.locks.purge(key);
  await aborted;
  const { reason } = lease.signal;
  t.true(reason instanceof LeaseLostError);
  t.like(reason, { key, fencingToken: lease.fencingToken });
  t.throws(() => lease.checkDeadline(), { instanceOf: LeaseLostError });
  // Lost, it is not counted as this process's own any more.
  const next = await hold(here.locks, key);
  await lease.release();
  t.like(await here.bucket.read(key), { holder: next.holder });
  await next.release();
});

test("a release that crosses a renewal frees the lock", async (t) => {
  const lease = await hold(here.locks, newKey());
  const record = { holder: lease.holder, worker: "here", taskId: "t", since: "" };
  await here.bucket.write(lease.key, { record, ttlMs: 60_000, expected: lease.fencingToken });
  await lease.release();
  t.not((await here.bucket.read(lease.key))?.kind, "taken");
});

test("the last write tells the revision whose stored time is the broker's clock", async (t) => {
  await using lease = await hold(here.locks, newKey());
  await renewed(lease);
  const { revision, sentAtMs, answeredAtMs } = lease.lastWrite;
  const stored = await here.broker.jsm.streams.getMessage("KV_locks", { seq: revision });
  const storedAtMs = Number(stored?.time);
  t.true(sentAtMs <= storedAtMs + 1 && storedAtMs <= answeredAtMs + 1, `${sentAtMs} ${storedAtMs} ${answeredAtMs}`);
});

test("await using releases, and releasing twice is harmless", async (t) => {
  const key = newKey();
  {
    await using lease = await hold(here.locks, key);
    await lease.release();
    t.throws(() => lease.checkDeadline(), { instanceOf: LeaseLostError });
  }
  const stored = await here.bucket.read(key);
  t.not(stored?.kind, "taken");
});
