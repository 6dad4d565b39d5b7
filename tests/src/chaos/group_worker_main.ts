// A worker of a group's tasks in a process of its own. It is killed by group_storm.ts, and ends with the test.
import { openDatabase } from "@muster/ledger";
import { connectNats, openBroker, startWorker } from "@muster/tasks";
import { workerParts } from "../support/sql_tasks.ts";
import { CrowdTask, MemberTask, TotalTask } from "./group_tasks.ts";
import { endWithTest } from "../support/test_child.ts";

endWithTest();

const url = process.env["NATS_URL"] ?? "";
const database = await openDatabase({ url: process.env["DATABASE_URL"] ?? "" });
const nc = await connectNats({ url, name: `group ${process.pid}` });
const worker = await startWorker({
  ...workerParts(database),
  broker: await openBroker(nc),
  nats: { url },
  app: "group",
  permits: Number(process.env["PERMITS"]),
  tasks: [CrowdTask, MemberTask, TotalTask],
});
console.log("ready");
await worker.ended;
