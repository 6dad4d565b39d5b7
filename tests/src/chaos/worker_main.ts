// A worker in a process of its own, for tests that kill or freeze it. Ends with the test, and drains at SIGTERM.
import { getHighestFence, openDatabase, type Transaction } from "@muster/ledger";
import { type PilotDeps, pilotDeps, extension as pilots, pilotTasks } from "@muster/pilot-tasks";
import { connectNats, openBroker, startWorker } from "@muster/tasks";
import { type SqlDeps, workerParts } from "../support/sql_tasks.ts";
import { SiteTask } from "./site_task.ts";
import { endWithTest } from "../support/test_child.ts";

endWithTest();
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());

const url = process.env["NATS_URL"] ?? "";
/** Of a lease, and of an idle transaction. */
const ttlMs = Number(process.env["TTL_MS"] ?? 15_000);
/** Names of the pilot tasks that it runs. */
const names = (process.env["TASKS"] ?? "").split(",");
const database = await openDatabase({
  url: process.env["DATABASE_URL"] ?? "",
  tables: pilots.tables,
  idleInTransactionTimeoutMs: ttlMs,
});
const nc = await connectNats({ url, name: `chaos ${process.pid}` });
const highestFence = () => database.transaction(getHighestFence);
const shared = {
  broker: await openBroker(nc, { highestFence }),
  nats: { url },
  app: "chaos",
  lockTtlMs: ttlMs,
  drainMs: 1_000,
  signal: stop.signal,
};
const workers = await Promise.all([
  startWorker<Transaction, PilotDeps>({
    ...shared,
    highestFence,
    ledger: database.ledger,
    tasks: pilotTasks.filter(({ name }) => names.includes(name)),
    deps: pilotDeps(),
  }),
  startWorker<Transaction, SqlDeps>({ ...shared, ...workerParts(database), tasks: [SiteTask] }),
]);
console.log("ready");
await Promise.all(workers.map((worker) => worker.ended));
process.exit(0);
