import { startTestNatsServer } from "@muster/local";
import { jetstreamManager } from "@nats-io/jetstream";
import test from "ava";
import { connectNats } from "../connection/connection.ts";
import { ForeignStreamError } from "../streams/foreign_stream.ts";
import { inspectStreams } from "../streams/inspect_streams.ts";
import { openBareBroker } from "./broker.ts";

const moreConfig = `accounts {
  SHARED: { users: [{ user: "shared", password: "x" }], jetstream: enabled }
  FEW: { users: [{ user: "few", password: "x" }], jetstream: { max_streams: 4 } }
}\n`;

test("streams of other applications are left as they are, and named where they are in our way", async (t) => {
  await using server = await startTestNatsServer({ moreConfig });
  const nc = await connectNats({ url: server.url, user: "shared", password: "x", name: "foreign test" });
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: "TASKS", subjects: ["orders.*"] });
  await t.throwsAsync(openBareBroker(nc), {
    instanceOf: ForeignStreamError,
    message: /Cannot use TASKS: another application has .* with the subjects orders\.\*; give Muster an account/,
  });
  await t.throwsAsync(inspectStreams(nc), { instanceOf: ForeignStreamError });
  const { config } = await jsm.streams.info("TASKS");
  t.deepEqual(config.subjects, ["orders.*"]);
  await jsm.streams.delete("TASKS");
  await jsm.streams.add({ name: "FOREIGN", subjects: ["events.>"] });
  await t.throwsAsync(openBareBroker(nc), {
    message: /Cannot create EVENTS: .*overlap.*; take events\.> away from FOREIGN, or give Muster an account/,
  });
  await jsm.streams.delete("FOREIGN");
  await t.notThrowsAsync(openBareBroker(nc));
  await nc.close();
});

test("an account that may have too few streams is told to raise its limit", async (t) => {
  await using server = await startTestNatsServer({ moreConfig });
  const nc = await connectNats({ url: server.url, user: "few", password: "x", name: "foreign test" });
  await t.throwsAsync(openBareBroker(nc), {
    message: /^Cannot create \w+: .*streams.*; raise the account's limit of str/,
  });
  await nc.close();
});
