// Publishes the outbox, and dies at a point of it. Started by relay_test.ts.
import { outboxChore } from "@muster/app";
import { openDatabase } from "@muster/ledger";
import { connectNats, openBroker } from "@muster/tasks";
import { fusedConnection } from "../crash/points.ts";
import { endWithTest } from "../support/test_child.ts";

endWithTest();

const database = await openDatabase({ url: process.env["DATABASE_URL"] ?? "", poolSize: 2 });
const nc = await connectNats({ url: process.env["NATS_URL"] ?? "", name: "relay" });
const broker = await openBroker(fusedConnection(nc, { when: "after", step: "child published" }));
await outboxChore({ broker, database, log: { info() {}, warn() {} } }).run(new AbortController().signal);
