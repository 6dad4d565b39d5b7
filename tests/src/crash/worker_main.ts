// A worker that runs one scenario and dies at its point. Started by crash_test.ts and group_crash_test.ts.
import { openDatabase } from "@muster/ledger";
import { connectNats, openBroker, startWorker } from "@muster/tasks";
import { workerParts } from "../support/sql_tasks.ts";
import { GROUP_POINTS, groupTasksOf } from "./group_scenarios.ts";
import { fusedConnection, fusedLedger } from "./points.ts";
import { SCENARIOS, tasksOf } from "./scenarios.ts";
import { endWithTest } from "../support/test_child.ts";

endWithTest();

const index = Number(process.env["SCENARIO"]);
const natsUrl = process.env["NATS_URL"] ?? "";
const isGroup = process.env["GROUP"] !== undefined;
const point = isGroup ? GROUP_POINTS[index] : SCENARIOS[index]?.point;
if (point === undefined) throw new RangeError(`Cannot play scenario ${process.env["SCENARIO"]}: there is none`);

const database = await openDatabase({ url: process.env["DATABASE_URL"] ?? "", poolSize: 2 });
const { ledger, ...parts } = workerParts(database);
const nc = await connectNats({ url: natsUrl, name: `crash worker ${index}` });
const isInThread = !isGroup && SCENARIOS[index]?.place === "thread";
const threads = { module: new URL("./thread.ts", import.meta.url), count: 1, data: index };
const tasks = isGroup ? groupTasksOf(index).all : tasksOf(index).slice(0, 1);
await startWorker({
  ...parts,
  broker: await openBroker(fusedConnection(nc, point)),
  nats: { url: natsUrl },
  app: "crash-worker",
  tasks,
  lockTtlMs: 2_000,
  ...(isInThread && { threads }),
  ...(ledger === undefined ? {} : { ledger: fusedLedger(ledger, point) }),
});
