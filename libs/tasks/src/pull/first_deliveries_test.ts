import { startNatsServer } from "@muster/local";
import test, { type ExecutionContext } from "ava";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { taskFactory } from "../definition/task.ts";
import { openBroker } from "../lease/open_broker.ts";
import { connectNats } from "../connection/connection.ts";
import type { Delivery } from "../format/delivery.ts";
import { FirstDeliveries } from "./first_deliveries.ts";
import type { Lane } from "../policy/lane.ts";
import { createLaneConsumer, newLane } from "./lane_consumer.ts";

const definition = taskFactory<undefined>()({ name: "OnceTask", per: "vo", execute() {} });

/** A delivery with a count of one. */
function delivery(storedAtMs: number, consumerSequence: number): Delivery {
  return {
    stream: "TASKS",
    consumer: "OnceTask__lhcb",
    count: 1,
    streamSequence: consumerSequence,
    consumerSequence,
    storedAtNs: `${storedAtMs * 1e6}`,
    pending: 0,
  };
}

/** Resolves with the server's time once what is stored now is believed to be delivered for the first time. */
async function untilBelieved(deliveries: FirstDeliveries, lane: Lane, from: number): Promise<number> {
  for (let sequence = from; ; sequence++) {
    const nowMs = Date.now();
    if (deliveries.isFirst(lane, delivery(nowMs, sequence))) return nowMs;
    await pause(5); // it asks the server, and tells nobody when it knows
  }
}

/** A broker on a real server in a folder of its own, and the lane's consumer on it. All end with the test. */
async function openLane(t: ExecutionContext) {
  const dataDir = await mkdtemp(join(tmpdir(), "muster-first-"));
  t.teardown(() => rm(dataDir, { recursive: true, force: true }));
  let server = await startNatsServer({ dataDir, syncInterval: "lazy" });
  const nc = await connectNats({ url: server.url, name: "test" });
  t.teardown(async () => {
    await nc.close();
    await server.stop();
  });
  const broker = await openBroker(nc);
  const lane = newLane({ number: 0, definition, vo: "lhcb" });
  const beforeLaneMs = Date.now() - 1;
  await createLaneConsumer(broker, lane);
  /** Kills the server and starts it again; settles when the connection is back. */
  async function restart(): Promise<void> {
    server.kill("SIGKILL");
    await server.exited;
    server = await startNatsServer({ dataDir, port: server.port, syncInterval: "lazy" });
    for await (const { type } of nc.status()) if (type === "reconnect") break;
  }
  return { broker, deliveries: new FirstDeliveries(broker), lane, beforeLaneMs, restart };
}

test("a first delivery is believed only of what was stored since its consumer was made and the server was started", async (t) => {
  const { deliveries, lane, beforeLaneMs, restart } = await openLane(t);
  const beforeRestartMs = await untilBelieved(deliveries, lane, 1);
  t.false(deliveries.isFirst(lane, delivery(beforeLaneMs, 1_000)), "stored before the consumer was made");
  t.true(deliveries.isFirst(lane, delivery(beforeRestartMs, 1_001)));

  await restart();
  // Others took more from the new consumer than this worker took from the old one. So the count says nothing.
  t.false(deliveries.isFirst(lane, delivery(beforeRestartMs, 2_000)), "stored before the server was started");
  await untilBelieved(deliveries, lane, 2_001);
  t.false(deliveries.isFirst(lane, delivery(beforeRestartMs, 9_000)), "still so when all is known");
});

test("a consumer whose own count falls was made anew, and what it says is not believed", async (t) => {
  const { deliveries, lane } = await openLane(t);
  const storedAtMs = await untilBelieved(deliveries, lane, 100);
  t.false(deliveries.isFirst(lane, delivery(storedAtMs, 1)));
});

test("on a cluster a first delivery is believed only where TASKS has several copies: a single one may be restarted unseen", async (t) => {
  const { broker, lane } = await openLane(t);
  const nc = Object.create(broker.nc, { info: { value: { ...broker.nc.info, cluster: "grid" } } });
  let count = 3;
  const clustered = { ...broker, nc, copies: { of: () => count, note() {} } };
  const deliveries = new FirstDeliveries(clustered);
  const storedAtMs = await untilBelieved(deliveries, lane, 1);
  count = 1;
  t.false(deliveries.isFirst(lane, delivery(storedAtMs, 1_000)));
  count = 3;
  t.true(deliveries.isFirst(lane, delivery(storedAtMs, 1_001)));
});
