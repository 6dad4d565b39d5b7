// A worker that dies with a part of a read-write lock and of a limit in hand. Started by limited_test.ts.
import { connectNats, openBroker, startWorker } from "@muster/tasks";
import { ReaderTask, TTL_MS } from "./limited_task.ts";
import { endWithTest } from "../support/test_child.ts";

endWithTest();

const url = process.env["NATS_URL"] ?? "";
const nc = await connectNats({ url, name: "limited worker" });
const broker = await openBroker(nc);
await startWorker({ broker, nats: { url }, app: "limited-worker", tasks: [ReaderTask], lockTtlMs: TTL_MS });
