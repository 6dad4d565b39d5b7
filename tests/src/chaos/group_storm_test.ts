import { startTestServer } from "@muster/ledger/testing";
import test from "ava";
import { createTestDatabase } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { stormGroup } from "./group_storm.ts";

const CHILDREN = 200;

test("I21: workers are killed while a group of hundreds runs, and its callback has one effect, with each result once", async (t) => {
  await using server = await startTestServer();
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: ["lhcb"] });
  const storm = {
    children: CHILDREN,
    bytes: 1_000,
    ms: 100,
    workers: 2,
    permits: 5,
    everyMs: 500,
    kills: 2,
    ackWaitMs: 8_000,
  };
  const { total, effects } = await stormGroup(muster, database, storm);
  t.deepEqual(total, { children: CHILDREN, numbers: (CHILDREN * (CHILDREN - 1)) / 2, bytes: CHILDREN * 1_000 });
  t.deepEqual(effects, [1, CHILDREN]);
});
