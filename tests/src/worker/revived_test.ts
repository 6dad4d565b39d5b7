import { atLeastOnceFactory, connectNats, defineLockType, openBroker } from "@muster/tasks";
import type { NatsConnection } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import test from "ava";
import * as z from "zod";
import { startTestCluster } from "../support/cluster.ts";
import { holdLock } from "../support/hold.ts";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const siteLock = defineLockType("revived_site");
const SiteTask = atLeastOnceFactory()({
  name: "SiteTask",
  per: "vo",
  payload: z.strictObject({ site: z.string() }),
  locks: ({ site }) => [siteLock.mutex(site)],
  execute() {},
});
const SITES = ["a", "b", "c"];
const isSiteLock = (subject: string) => subject.startsWith("$KV.locks.revived_site.");

/** The sites' keys that the server has, as values or as marks. */
async function keysAt(nc: NatsConnection): Promise<readonly string[]> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  const { state } = await jsm.streams.info("KV_locks", { subjects_filter: "$KV.locks.>" });
  return Object.keys(state.subjects ?? {}).filter(isSiteLock);
}

async function untilForgotten(nc: NatsConnection): Promise<void> {
  await until(async () => ((await keysAt(nc)).length === 0 ? true : undefined), "the end of all marks");
}

test("I26: after a hard kill of nats-server released locks are there again for ever, and every task has its lock at once", async (t) => {
  await using muster = await startMuster();
  const nc = await connectNats({ url: muster.nats.url, name: "revival" });
  await using _closed = { [Symbol.asyncDispose]: () => nc.close() };
  await muster.startWorker({ tasks: [SiteTask], lockTtlMs: 2_000 });
  const runAll = async () => {
    const published = SITES.map((site) => muster.publish(SiteTask, { vo: "lhcb", payload: { site } }));
    for (const { taskId } of await Promise.all(published)) await muster.event("done", taskId);
  };
  // An older message that stays in the bucket's file makes the server forget the releases after it.
  await holdLock(nc, "older");
  await runAll();
  await untilForgotten(nc);
  // By then the server's files say that all times to live until now were dealt with. It writes that every two minutes, too.
  await muster.nats.stop();
  await muster.nats.start();
  await muster.reconnected();
  await until(() => holdLock(nc, "newer").catch(() => undefined), "a write to the restarted server");
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();

  // What is asked while this connection is opened again is not answered.
  const found = await until(() => keysAt(nc).catch(() => undefined), "an answer to this connection");
  t.is(found.length, SITES.length, "they are back");
  const startedAtMs = performance.now();
  await runAll();
  const tookMs = performance.now() - startedAtMs;
  t.log(`${Math.round(tookMs)} ms`);
  t.true(tookMs < 30_000, `${tookMs} ms`);
  t.false(muster.events.steps.some(({ step }) => step === "contended"));
});

test("a bucket of three copies in which kills of all its servers have revived locks holds nobody up either", async (t) => {
  await using cluster = await startTestCluster();
  const nc = await connectNats({ url: cluster.url, name: "revival" });
  await using _closed = { [Symbol.asyncDispose]: () => nc.close() };
  await openBroker(nc, { replicas: 3 });
  await holdLock(nc, "older");
  for (const site of SITES) await (await holdLock(nc, `revived_site.${site}`, 1_000)).letGo();
  await untilForgotten(nc);
  // A shutdown in order would leave a snapshot that tells what was deleted.
  await cluster.kill();
  await cluster.start();
  await until(() => holdLock(nc, "newer").catch(() => undefined), "a write to the restarted servers");
  await cluster.kill();
  await cluster.start();
  const found = await until(() => keysAt(nc).catch(() => undefined), "an answer to this connection");
  t.is(found.length, SITES.length, "they are back");

  await using muster = await startMuster({ nats: cluster });
  await muster.startWorker({ tasks: [SiteTask], lockTtlMs: 2_000 });
  const tasks = SITES.map((site) => muster.publish(SiteTask, { vo: "lhcb", payload: { site } }));
  for (const { taskId } of await Promise.all(tasks)) await muster.event("done", taskId);
  t.false(muster.events.steps.some(({ step }) => step === "contended"));
});
