import test from "ava";
import type { WorkerRecord } from "../presence/registration.ts";
import { NewerPayloads } from "./newer_payloads.ts";

const newer = { task: "GreetTask", version: 3 };

function worker(version: number, draining = false): WorkerRecord {
  return {
    ...{ name: `worker of ${version}`, host: "here", pid: 1, startedAt: "2026-01-01T00:00:00Z", permits: 1, draining },
    ...{ tasks: ["GreetTask"], payloadVersions: { GreetTask: version } },
  };
}

/** What is remembered once it has listed `workers`. */
async function havingListed(...workers: readonly WorkerRecord[]): Promise<NewerPayloads> {
  const listing = Promise.resolve(workers);
  const payloads = new NewerPayloads(() => listing);
  payloads.delayMs(newer);
  await listing;
  return payloads;
}

test("a newer payload goes back soon where a running worker knows it, and in half a minute where none does or that one drains", async (t) => {
  t.true((await havingListed(worker(1), worker(3))).delayMs(newer) < 1_000);
  t.true((await havingListed(worker(4))).delayMs(newer) < 1_000);
  t.is((await havingListed(worker(1), worker(2))).delayMs(newer), 30_000);
  t.is((await havingListed(worker(3, true))).delayMs(newer), 30_000);
});

test("many newer payloads come back one after the other, at most twenty a second, and none later than in half a minute", async (t) => {
  const payloads = await havingListed(worker(3));
  const begin = performance.now();
  const backs = Array.from({ length: 2_000 }, () => performance.now() + payloads.delayMs(newer) - begin);
  const within = (ms: number) => backs.filter((back) => back <= ms).length;
  t.true(within(10_000) <= 200, `${within(10_000)} within ten seconds`);
  t.true(Math.max(...backs) <= 30_000 + performance.now() - begin);
});

test("without an answer about the workers, a newer payload waits as if nobody knew it", async (t) => {
  const payloads = new NewerPayloads(() => Promise.reject(new Error("no answer")));
  t.true(payloads.delayMs(newer) < 1_000);
  await new Promise((resolve) => setImmediate(resolve));
  t.is(payloads.delayMs(newer), 30_000);
});
