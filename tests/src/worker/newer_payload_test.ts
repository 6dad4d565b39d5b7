import { atLeastOnceFactory } from "@muster/tasks";
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
  t.true(Math.abs(Date.parse(listed[0]?.oldestAt ?? "") - before) < 5_000);
  await until(async () => (old.watcher.alarms.length > 0 ? true : undefined), "the alarm");
  t.regex(old.watcher.alarms.join(), /^No running worker knows version 3 of GreetTask's payload: \d of .* wait since /);

  await muster.startWorker({ tasks: [NewTask] });
  const isKnown = async () => ((await listNewerPayloads(muster.broker)).length === 0 ? true : undefined);
  await until(isKnown, "the newer worker's record");
  t.is(old.watcher.alarms.length, 1);
});
