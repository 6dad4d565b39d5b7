import { atLeastOnceFactory } from "@muster/tasks";
import test from "ava";
import * as z from "zod";
import { startMuster } from "../support/muster.ts";

const defineTask = atLeastOnceFactory();
const GreetTask = defineTask({
  name: "GreetTask",
  per: "vo",
  payload: z.strictObject({ name: z.string() }),
  execute: ({ payload }) => `hello ${payload.name}`,
});

test("a published task runs under the id that its publisher was told", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [GreetTask] });
  const { taskId } = await muster.publish(GreetTask, { vo: "lhcb", payload: { name: "Ada" } });
  t.like(await muster.event("done", taskId), { task: "GreetTask", vo: "lhcb", attempt: 1 });
});
