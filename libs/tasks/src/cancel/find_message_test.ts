import { startTestNatsServer } from "@muster/local";
import { headers as newHeaders } from "@nats-io/nats-core";
import test from "ava";
import { connectNats } from "../connection/connection.ts";
import { openBroker } from "../lease/open_broker.ts";
import { findMessage } from "./find_message.ts";

test("a delayed task that has fired is found while it has not come to TASKS yet", async (t) => {
  await using server = await startTestNatsServer();
  const nc = await connectNats({ url: server.url, name: "test" });
  t.teardown(() => nc.close());
  const broker = await openBroker(nc);
  // As on a cluster whose source has lost its leader.
  await broker.jsm.streams.update("TASKS", { sources: [] });
  const headers = newHeaders();
  headers.set("Task-Id", "fired");
  await broker.js.publish("due.HelloTask.vo.cta.in2p3.fr", "{}", { headers });
  t.deepEqual(await findMessage(broker, "fired"), { stream: "LATER", task: "HelloTask", vo: "vo.cta.in2p3.fr" });
  t.is(await findMessage(broker, "other"), "nowhere");
});
