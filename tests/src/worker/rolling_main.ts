// A worker of one version of an application. Started by rolling_test.ts.
import { openDatabase } from "@muster/ledger";
import { connectNats, openBroker, startWorker } from "@muster/tasks";
import { workerParts } from "../support/sql_tasks.ts";
import { GreetTaskOne, GreetTaskTwo } from "./rolling_task.ts";
import { endWithTest } from "../support/test_child.ts";

endWithTest();

const version = process.env["VERSION"];
const url = process.env["NATS_URL"] ?? "";
const database = await openDatabase({ url: process.env["DATABASE_URL"] ?? "", poolSize: 2 });
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
await using worker = await startWorker({
  ...workerParts(database),
  broker: await openBroker(await connectNats({ url, name: `version ${version}` })),
  nats: { url },
  app: `version-${version}`,
  tasks: [version === "1" ? GreetTaskOne : GreetTaskTwo],
  signal: stop.signal,
});
console.log("ready");
await worker.ended;
process.exit();
