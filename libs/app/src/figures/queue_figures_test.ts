import { startTestNatsServer } from "@muster/local";
import { knownVos } from "@muster/service";
import { atLeastOnceFactory } from "@muster/tasks";
import { startTestSystem } from "@muster/tasks/testing";
import test from "ava";
import { queueFigures } from "./queue_figures.ts";

const IdleTask = atLeastOnceFactory()({ name: "IdleTask", per: "vo", execute() {} });

test("figures name known tasks and configured VOs, and all others share a label", async (t) => {
  await using server = await startTestNatsServer();
  await using system = await startTestSystem({ vos: ["lhcb"], nats: { url: server.url } });
  const { broker } = system;
  for (let n = 0; n < 2; n++) await system.publish(IdleTask, { vo: "lhcb" });
  await system.publish(IdleTask, { vo: "lhcb", at: new Date(Date.now() + 3_600_000) });
  for (const vo of ["atlas", "cms"]) await system.publish(IdleTask, { vo });
  for (const task of ["Strange", "Stranger"]) await broker.js.publish(`tasks.${task}.lhcb`, "{}");
  await broker.js.publish("dead.IdleTask.lhcb", "{}");
  for (const vo of ["atlas", "cms"]) await broker.js.publish(`dead.Strange.${vo}`, "{}");
  const vos = knownVos();
  vos.set(["lhcb"]);
  const figures = await queueFigures(broker, vos, ["IdleTask"]).read();
  const shown = (metric: string) =>
    Object.fromEntries(
      figures.filter((figure) => figure.metric === metric).map(({ labels, value }) => [labels.join(), value]),
    );
  t.deepEqual(shown("muster_queue_waiting_tasks"), { "IdleTask,lhcb": 2, "IdleTask,other": 2, "other,lhcb": 2 });
  t.is(shown("muster_queue_in_hand_tasks")["IdleTask,lhcb"], 0);
  const ageS = shown("muster_queue_oldest_age_seconds")["IdleTask,lhcb"] ?? -1;
  t.true(ageS >= 0 && ageS < 600, String(ageS));
  t.is(shown("muster_queue_delayed_tasks")["IdleTask,lhcb"], 1);
  t.deepEqual(shown("muster_dead_letters"), { "IdleTask,lhcb": 1, "other,other": 2 });
});
