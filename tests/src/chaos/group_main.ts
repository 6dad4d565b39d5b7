// A storm over a large group: `node tests/src/chaos/group_main.ts [children] [bytes] [seconds]`. Default: 10,000 children with results of
// 10 kB, and every two seconds one of four workers is killed; 0 seconds: none is. Prints what came of it.
import { startTestServer } from "@muster/ledger/testing";
import { createTestDatabase } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { stormGroup } from "./group_storm.ts";

const [children = 10_000, bytes = 10_000, seconds = 2] = process.argv.slice(2).map(Number);
await using server = await startTestServer();
await using database = await createTestDatabase(server);
await using muster = await startMuster({ vos: ["lhcb"] });
const startedMs = performance.now();
const kills = seconds === 0 ? 0 : Number.POSITIVE_INFINITY;
const everyMs = 1_000 * seconds;
const tell = (progress: object) => console.error(JSON.stringify(progress));
const storm = { children, bytes, ms: 5, workers: 4, permits: 20, everyMs, kills, tell, ackWaitMs: 20_000 };
const end = await stormGroup(muster, database, storm);
console.log(JSON.stringify({ ...end, tookSeconds: Math.round((performance.now() - startedMs) / 1_000) }));
const wanted = { children, numbers: (children * (children - 1)) / 2, bytes: children * bytes };
const isRight =
  JSON.stringify(end.total) === JSON.stringify(wanted) && end.effects[0] === 1 && end.effects[1] === children;
console.log(isRight ? "one callback, with all results" : `wrong: ${JSON.stringify(wanted)} was wanted`);
process.exitCode = isRight ? 0 : 1;
