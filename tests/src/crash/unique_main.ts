// Publishes a unique task, or runs one, and dies at the point that it is told of. Started by unique_test.ts.
import { openDatabase } from "@muster/ledger";
import { connectNats, createPublisher, openBroker, startWorker } from "@muster/tasks";
import { workerParts } from "../support/sql_tasks.ts";
import { fusedConnection } from "./points.ts";
import { UniqueTask } from "./unique_task.ts";
import { endWithTest } from "../support/test_child.ts";

endWithTest();

const { NATS_URL = "", DATABASE_URL, POINT = "", KEY = "", MODE, ID = "" } = process.env;
const nc = await connectNats({ url: NATS_URL, name: "crash unique" });
const broker = await openBroker(fusedConnection(nc, JSON.parse(POINT)));
if (DATABASE_URL === undefined) {
  const mode = MODE === "replace" ? "replace" : "one waiting";
  await createPublisher(broker).publish(UniqueTask, { vo: "lhcb", taskId: ID, unique: { key: KEY, mode } });
} else {
  const database = await openDatabase({ url: DATABASE_URL, poolSize: 2 });
  const parts = workerParts(database);
  await startWorker({ ...parts, broker, nats: { url: NATS_URL }, app: "crash-unique", tasks: [UniqueTask] });
}
