// All scenarios of a cluster under load, one after the other: `node tests/src/cluster/main.ts`. It takes some minutes.
import { startTestServer } from "@muster/ledger/testing";
import { deepStrictEqual } from "node:assert/strict";
import { startTestCluster } from "../support/cluster.ts";
import { type Checks, startLoad } from "./load.ts";
import { killAll, killFollower, killLeader, loseTwo, restartFast, restartInTurn } from "./scenarios.ts";

const t: Checks = { log: (line) => console.log(line), deepEqual: deepStrictEqual };

await using server = await startTestServer();
await using cluster = await startTestCluster();
await using load = await startLoad(cluster, server);
const ground = { cluster, load, t };
for (const stream of load.brokers[0].streams) await killLeader(ground, stream);
await killFollower(ground);
await restartInTurn(ground);
await restartFast(ground);
await loseTwo(ground);
await killAll(ground);
await load.check(t);
t.log("nothing was lost, and nothing doubled");
