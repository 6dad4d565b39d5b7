// A worker whose task kills its process by the payload's wish. Started by poison_test.ts.
import { connectNats, openBroker, startWorker } from "@muster/tasks";
import { KillerTask, TameTask } from "./killer_task.ts";
import { endWithTest } from "../support/test_child.ts";

endWithTest();

const url = process.env["NATS_URL"] ?? "";
const nc = await connectNats({ url, name: "killer worker" });
const tasks = [KillerTask, TameTask];
await startWorker({ broker: await openBroker(nc), nats: { url }, app: "killer-worker", tasks });
