import { startTestServer } from "@muster/ledger/testing";
import test from "ava";
import { startTestCluster } from "../support/cluster.ts";
import { startLoad } from "./load.ts";
import { killLeader, loseTwo } from "./scenarios.ts";

// `node tests/src/cluster/main.ts` goes through all scenarios.
test("I24: the leader of three servers is killed under load, then two at once: nothing is lost or doubled, and delayed tasks and retries go on as well", async (t) => {
  await using server = await startTestServer();
  await using cluster = await startTestCluster();
  await using load = await startLoad(cluster, server);
  const ground = { cluster, load, t };
  await killLeader(ground, "LATER");
  await loseTwo(ground);
  await load.check(t);
});
