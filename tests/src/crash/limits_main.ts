// A worker that dies with permits in hand. Started by limits_test.ts.
import { connectNats, openBroker, startWorker } from "@muster/tasks";
import { endWithTest } from "../support/test_child.ts";
import { LimitsTask, TTL_MS } from "./limits_task.ts";

endWithTest();

const url = process.env["NATS_URL"] ?? "";
const nc = await connectNats({ url, name: "limits worker" });
const broker = await openBroker(nc);
const deps = { path: process.env["RUN_LOG"] ?? "" };
await startWorker({
  broker,
  nats: { url },
  app: "limits-worker",
  tasks: [LimitsTask],
  deps: () => deps,
  lockTtlMs: TTL_MS,
});
console.log("works");
