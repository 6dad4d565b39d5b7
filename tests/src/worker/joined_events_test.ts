import { atLeastOnceFactory } from "@muster/tasks";
import { countStepsSince, eventLines, findTask, followTask, listQueues } from "@muster/tasks/operate";
import { headers as newHeaders } from "@nats-io/transport-node";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

const TASKS = 40;
const VO = "vo.cta.in2p3.fr";

/** What every event of these tests says. */
interface Told {
  readonly step: string;
  readonly taskId: string;
}

test("a busy worker tells several events in one message, in order for each task, and every reader knows them all", async (t) => {
  await using muster = await startMuster();
  const { nc } = muster.broker;
  const messages: { readonly subject: string; readonly count: string; readonly told: readonly Told[] }[] = [];
  nc.subscribe("events.>", {
    callback(_, message) {
      const told = eventLines(message.string()).map((line): Told => JSON.parse(line));
      messages.push({ subject: message.subject, count: message.headers?.get("Event-Count") ?? "", told });
    },
  });
  await nc.flush();
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  const allBegun = Promise.withResolvers<void>();
  const GateTask = atLeastOnceFactory()({
    name: "GateTask",
    per: "vo",
    async execute() {
      begun++;
      if (begun === TASKS) allBegun.resolve();
      await gate.promise;
    },
  });
  const since = new Date(Date.now() - 60_000);
  for (let number = 0; number < TASKS; number++) await muster.publish(GateTask, { vo: VO, taskId: `g${number}` });
  await muster.startWorker({ tasks: [GateTask], permits: TASKS });
  await allBegun.promise;
  const followed: string[] = [];
  const following = (async () => {
    for await (const update of followTask(muster.broker, "g7")) {
      if (update.kind === "found") gate.resolve();
      if (update.kind === "step") followed.push(update.step.step);
    }
  })();
  await following;
  for (let number = 0; number < TASKS; number++) await muster.event("done", `g${number}`);

  t.true(followed.includes("done"));
  const ends = messages.filter(({ subject }) => subject.endsWith(".done"));
  t.true(ends.length < TASKS / 4, `${ends.length} messages tell of ${TASKS} tasks`);
  for (const { subject, count, told } of messages) {
    t.is(count, told.length === 1 ? "" : String(told.length));
    t.true(told.every(({ step }) => subject === `events.GateTask.${VO}.${step}`));
  }
  const told = messages.flatMap((message) => message.told);
  for (let number = 0; number < TASKS; number++) {
    const steps = told.filter(({ taskId }) => taskId === `g${number}`).map(({ step }) => step);
    t.deepEqual(steps, ["started", "done"], `g${number}`);
  }
  const { state, timeline } = await until(async () => {
    const task = await findTask(muster.broker, "g12");
    return task.timeline.length === 2 ? task : undefined;
  }, "both events in the stream");
  t.deepEqual([state, ...timeline.map(({ step }) => step)], ["done", "started", "done"]);
  const ended = (await listQueues(muster.broker)).find(({ task }) => task === "GateTask");
  t.is(ended?.endedPerMinute, TASKS);
  t.is(await countStepsSince(muster.broker, { step: "done", since }), TASKS, "of a VO with dots as well");
});

test("a task alone on an idle worker tells each step in a message of its own, as a single JSON object", async (t) => {
  await using muster = await startMuster();
  const bodies: string[] = [];
  muster.broker.nc.subscribe("events.>", { callback: (_, message) => void bodies.push(message.string()) });
  await muster.broker.nc.flush();
  const AloneTask = atLeastOnceFactory()({ name: "AloneTask", execute() {} });
  await muster.startWorker({ tasks: [AloneTask] });
  const { taskId } = await muster.publish(AloneTask);
  await muster.event("done", taskId);
  t.deepEqual(
    bodies.map((body) => JSON.parse(body).step),
    ["started", "done"],
  );
  t.false(bodies.some((body) => body.includes("\n")));
});

test("where very many messages tell of ends, their number rests on a sample over the whole time", async (t) => {
  await using muster = await startMuster();
  const { js, nc } = muster.broker;
  const since = new Date();
  const headers = newHeaders();
  headers.set("Event-Count", "3");
  for (let number = 0; number < 800; number++) nc.publish(`events.ManyTask.${VO}.done`, "1\n2\n3", { headers });
  await js.publish("events.ManyTask._.log", "no end");
  t.is(await countStepsSince(muster.broker, { step: "done", since }), 2_400);
  t.is(await countStepsSince(muster.broker, { step: "dead", since }), 0);
});
