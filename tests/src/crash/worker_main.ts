// A worker that runs the parent of one scenario and dies at its point. Started by crash_test.ts.
import { openDatabase } from "@muster/ledger";
import { connectNats, openBroker, startWorker } from "@muster/tasks";
import { workerParts } from "../support/database.ts";
import { fusedConnection, fusedLedger } from "./points.ts";
import { SCENARIOS, tasksOf } from "./scenarios.ts";

process.on("disconnect", () => process.exit(1)); // the test has ended

const index = Number(process.env["SCENARIO"]);
const natsUrl = process.env["NATS_URL"] ?? "";
const scenario = SCENARIOS[index];
if (scenario === undefined) throw new RangeError(`Cannot play scenario ${process.env["SCENARIO"]}: there is none`);

const database = await openDatabase({ url: process.env["DATABASE_URL"] ?? "", poolSize: 2 });
const { ledger, ...parts } = workerParts(database);
const nc = await connectNats({ url: natsUrl, name: `crash worker ${index}` });
const [parent] = tasksOf(index);
await startWorker({
  ...parts,
  broker: await openBroker(fusedConnection(nc, scenario.point)),
  nats: { url: natsUrl },
  app: "crash-worker",
  tasks: [parent],
  lockTtlMs: 2_000,
  ...(ledger === undefined ? {} : { ledger: fusedLedger(ledger, scenario.point) }),
});
