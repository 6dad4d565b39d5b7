import type { JetStreamManager } from "@nats-io/jetstream";
import test from "ava";
import { joinGrid, startTestBroker } from "../locks/_grid_test.ts";
import { openBrokerTime } from "./broker_time.ts";
import { hasLapsed, LAPSE_MARGIN_MS, parseTtl } from "../broker/timed_entry.ts";

const server = await startTestBroker();
const party = await joinGrid(server.url);
test.after.always(async () => {
  await party[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** A manager that counts what is asked of it, and whose broker's clock is `aheadMs` ahead of this machine's. */
function counting(aheadMs = 0) {
  const { jsm } = party.broker;
  let asked = 0;
  const streams = {
    async info(name: string) {
      asked++;
      const info = await jsm.streams.info(name);
      return { ...info, ts: new Date(Date.parse(info.ts ?? "") + aheadMs).toISOString() };
    },
  } satisfies Partial<JetStreamManager["streams"]>;
  return { jsm: { ...jsm, streams: Object.assign(Object.create(jsm.streams), streams) }, asked: () => asked };
}

test("what is young by an earlier measurement costs no request, and what is past costs one", async (t) => {
  const { jsm, asked } = counting();
  const time = openBrokerTime(jsm, "TASKS");
  for (let count = 0; count < 100; count++) t.false(await time.isPast(Date.now() + 60_000));
  t.is(asked(), 1);
  t.true(await time.isPast(Date.now() - 1_000));
  t.is(asked(), 2);
});

test("an entry lapses by the broker's clock, whatever this machine's says", async (t) => {
  const HOUR_MS = 3_600_000;
  for (const aheadMs of [HOUR_MS, -HOUR_MS]) {
    const time = openBrokerTime(counting(aheadMs).jsm, "TASKS");
    const now = Date.now() + aheadMs;
    const ttlMs = 15_000;
    t.false(await hasLapsed(time, { storedAtMs: now, ttlMs }));
    const atMargin = await hasLapsed(time, { storedAtMs: now - ttlMs - LAPSE_MARGIN_MS + 900, ttlMs });
    // A machine that stood still meanwhile is told rightly that it has lapsed.
    if (Date.now() + aheadMs - now < 800) t.false(atMargin);
    t.true(await hasLapsed(time, { storedAtMs: now - ttlMs - LAPSE_MARGIN_MS - 1_000, ttlMs }));
    t.false(await hasLapsed(time, { storedAtMs: now - 48 * HOUR_MS, ttlMs: undefined }));
  }
});

test("a TTL is read as the server reads it", (t) => {
  const read = ["15", "15s", "15000ms", "24h", "1h30m", "1.5s", "never", "", "15x"].map(parseTtl);
  t.deepEqual(read, [15_000, 15_000, 15_000, 86_400_000, 5_400_000, 1_500, undefined, undefined, undefined]);
});
