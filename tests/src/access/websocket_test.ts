import { findFreePort } from "@muster/local";
import { atLeastOnceFactory, connectNats, startScheduler } from "@muster/tasks";
import test from "ava";
import { runMuster } from "../cli/run_muster.ts";
import { startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { certificate } from "../support/secured_nats.ts";
import { until } from "../support/until.ts";

const GreetTask = atLeastOnceFactory()({ name: "GreetTask", per: "vo", execute() {} });
const user = 'authorization { users: [ { user: "ops", password: "s3cret" } ] }\n';
const plain = 'websocket { listen: "127.0.0.1:-1", no_tls: true }\n';
const encrypted = `websocket { listen: "127.0.0.1:-1", tls { cert_file: ${JSON.stringify(certificate("server"))}, key_file: ${JSON.stringify(certificate("server_key"))} } }\n`;

// One after the other: all connections of a process use one transport.
test.serial(
  "a worker, its keeper, a scheduler and a command work over a WebSocket, also after the server was restarted",
  async (t) => {
    await using nats = await startTestNats({ config: plain.replace("-1", String(await findFreePort())) + user });
    const url = await nats.websocketUrl();
    t.regex(url, /^ws:\/\//);
    const access = { url, user: "ops", password: "s3cret" };
    await using muster = await startMuster({ nats, access });
    await using scheduler = await startScheduler({
      broker: muster.broker,
      nats: access,
      app: "ws",
      tasks: [GreetTask],
    });
    await muster.startWorker({ tasks: [GreetTask] });
    await muster.event("done", (await muster.publish(GreetTask, { vo: "lhcb" })).taskId);
    await until(async () => (scheduler.role === "leading" ? true : undefined), "the lead");
    await nats.kill();
    await nats.start();
    await muster.reconnected();
    await muster.event("done", (await muster.publish(GreetTask, { vo: "lhcb" })).taskId);
    const list = await runMuster(["vo", "list", "--json"], { NATS_URL: url.replace("//", "//ops:s3cret@") });
    t.regex(list.errors + list.output, /"vo": "lhcb"/);
  },
);

test.serial("a WebSocket over TLS is believed by the CAs of Node.js, and else refused with what to set", async (t) => {
  await using nats = await startTestNats({ config: encrypted });
  const url = await nats.websocketUrl();
  t.regex(url, /^wss:\/\//);
  const trusting = await runMuster(["doctor", "--json"], { NATS_URL: url, NODE_EXTRA_CA_CERTS: certificate("ca") });
  t.regex(trusting.output, /answers at/);
  const error = await t.throwsAsync(connectNats({ url, name: "test" }));
  t.regex(error.message, /^Cannot connect to NATS at wss:\/\/.*NODE_EXTRA_CA_CERTS/);
});
