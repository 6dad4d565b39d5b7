import { atLeastOnceFactory } from "@muster/tasks";
import { headers as newHeaders } from "@nats-io/transport-node";
import { listNewerPayloads } from "@muster/tasks/operate";
import test from "ava";
import * as z from "zod";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const defineTask = atLeastOnceFactory();

test("tasks of a payload version that no running worker knows are listed with VOs, count and age, and told, until one knows it", async (t) => {
  const OldTask = defineTask({ name: "GreetTask", per: "vo", payload: z.strictObject({}), execute() {} });
  const NewTask = defineTask({
    name: "GreetTask",
    per: "vo",
    payload: z.strictObject({ firstName: z.string() }),
    payloadVersion: 3,
    execute() {},
  });
  await using muster = await startMuster();
  const old = await muster.startWorker({ tasks: [OldTask] });
  const before = Date.now();
  for (const vo of ["lhcb", "atlas", "lhcb"]) {
    const { taskId } = await muster.publish(NewTask, { vo, payload: { firstName: "Ada" } });
    await muster.event("abandoned", taskId);
  }
  // A worker shows itself anew every ten seconds.
  const listed = await until(async () => {
    const found = await listNewerPayloads(muster.broker);
    return found[0]?.count === 3 ? found : undefined;
  }, "its listing");
  t.like(listed, [{ task: "GreetTask", version: 3, vos: ["atlas", "lhcb"], count: 3 }]);
  t.true(Math.abs(Date.parse(listed[0]?.oldestAt ?? "") - before) < 60_000);
  await until(async () => (old.watcher.alarms.length > 0 ? true : undefined), "the alarm");
  t.regex(old.watcher.alarms.join(), /^No running worker knows version 3 of GreetTask's payload: \d of .* wait since /);

  await muster.startWorker({ tasks: [NewTask] });
  const isKnown = async () => ((await listNewerPayloads(muster.broker)).length === 0 ? true : undefined);
  await until(isKnown, "the newer worker's record");
  t.is(old.watcher.alarms.length, 1);
});

test("a worker hands a newer payload back again and again where another running worker knows it, and does not wait for half a minute", async (t) => {
  const OldTask = defineTask({ name: "GreetTask", per: "vo", payload: z.strictObject({}), execute() {} });
  const NewTask = defineTask({
    ...{ name: "GreetTask", per: "vo", payload: z.strictObject({}) },
    payloadVersion: 3,
    execute() {},
  });
  await using muster = await startMuster();
  // A newer worker that is busy: it shows itself and takes nothing.
  const shown = {
    name: "newer",
    host: "there",
    pid: 1,
    startedAt: "2026-01-01T00:00:00Z",
    tasks: ["GreetTask"],
    permits: 1,
  };
  const headers = newHeaders();
  headers.set("Nats-TTL", "10m");
  await muster.broker.js.publish("$KV.workers.newer", JSON.stringify({ ...shown, payloadVersions: { GreetTask: 3 } }), {
    headers,
  });
  await muster.startWorker({ tasks: [OldTask] });
  const { taskId } = await muster.publish(NewTask, { vo: "lhcb", payload: {} });
  // Half a minute between two of them would be too long for the test.
  await muster.event("abandoned", taskId, 6);
  t.pass();
});
