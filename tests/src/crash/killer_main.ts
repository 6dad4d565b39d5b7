// A worker whose task kills its process by the payload's wish. Started by poison_test.ts.
import { connectNats, openBroker, startWorker } from "@muster/tasks";
import { KillerTask, TameTask } from "./killer_task.ts";

process.on("disconnect", () => process.exit(1)); // the test has ended

const url = process.env["NATS_URL"] ?? "";
const nc = await connectNats({ url, name: "killer worker" });
const tasks = [KillerTask, TameTask];
await startWorker({ broker: await openBroker(nc), nats: { url }, app: "killer-worker", tasks });
