import test from "ava";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { hold, holdWhenFree, joinGrid, renewed, startTestBroker, TTL_MS } from "../locks/_grid_test.ts";
import { LeaseLostError } from "./lease.ts";
import { SAFETY_MS } from "./lease_state.ts";

const request = { taskId: "t1", untilMs: Number.POSITIVE_INFINITY };

test("leases and waiters outlive a restart of the broker, and what was asked for meanwhile is answered", async (t) => {
  await using first = await startTestBroker();
  await using here = await joinGrid(first.url, { worker: "here" });
  await using there = await joinGrid(first.url, { worker: "there" });
  const lease = await hold(here.locks, "kept");
  let onRefused = () => {};
  const refused = () =>
    new Promise<void>((resolve) => {
      onRefused = resolve;
    });
  const refusedAtFirst = refused();
  const waiting = holdWhenFree(there.locks, ["kept"], () => onRefused());
  await refusedAtFirst;

  first.kill("SIGKILL");
  await first.exited;
  const refusedSince = refused();
  const asked = here.locks.tryAcquire(["asked-for"], request);
  await using _second = await startTestBroker({ port: first.port, dataDir: first.dataDir });
  const answer = await asked;
  t.is(answer.kind, "taken");

  await renewed(lease);
  lease.checkDeadline();
  await refusedSince; // It tries again once its watcher was opened on the new server.
  const releasedAtMs = performance.now();
  await lease.release();
  const { leases } = await waiting;
  const tookMs = performance.now() - releasedAtMs;
  t.true(tookMs < TTL_MS / 2, `${tookMs} ms`);
  for (const each of [...leases, ...(answer.kind === "taken" ? answer.leases : [])]) await each.release();
});

test("a lock that was released is free after the broker was killed and came back, and nobody waits for its TTL", async (t) => {
  await using first = await startTestBroker();
  await using here = await joinGrid(first.url, { worker: "here" });
  await using there = await joinGrid(first.url, { worker: "there" });
  // An older message that stays in the bucket's file makes the server forget what was deleted after it.
  const older = await hold(here.locks, "older");
  const released = await hold(here.locks, "released");
  await released.release();
  await pause(1_500); // the shortest life of a mark is a second
  first.kill("SIGKILL");
  await first.exited;
  await using _second = await startTestBroker({ port: first.port, dataDir: first.dataDir });
  for (const { locks } of [there, here]) {
    const answer = await locks.tryAcquire(["released"], request);
    t.is(answer.kind, "taken");
    if (answer.kind === "taken") for (const lease of answer.leases) await lease.release();
  }
  await older.release();
});

test("a broker that stays away loses every lease at its deadline, a second before the server could give the lock to another", async (t) => {
  await using server = await startTestBroker();
  const ttlMs = 2_000;
  await using here = await joinGrid(server.url, { worker: "here", ttlMs });
  const lease = await hold(here.locks, "lost");
  const aborted = once(lease.signal, "abort");
  server.kill("SIGKILL");
  await server.exited;
  const { sentAtMs } = lease.lastWrite;
  // A thread may look late. So the test asks whether it may still write once its deadline has passed.
  await pause(sentAtMs + ttlMs - SAFETY_MS + 2 - Date.now());
  t.throws(() => lease.checkDeadline(), { instanceOf: LeaseLostError });
  await aborted;
  // It settles though nobody answers.
  await lease.release();
});
