import {
  atLeastOnceFactory,
  connectNats,
  createPublisher,
  every,
  ForbiddenError,
  type NatsAccess,
  openBroker,
  startScheduler,
} from "@muster/tasks";
import { pauseSchedule } from "@muster/tasks/operate";
import test from "ava";
import { runMuster } from "../cli/run_muster.ts";
import { startMuster } from "../support/muster.ts";
import { startTestNats, type TestNats } from "../support/nats.ts";
import { newWatcher } from "@muster/tasks/testing";
import { startTicks } from "../support/ticks.ts";
import { until } from "../support/until.ts";

const GreetTask = atLeastOnceFactory()({ name: "GreetTask", per: "vo", execute() {} });

/** Two users: `ops` may do everything, `u` what `permissions` leaves. */
function usersWith(permissions: string): string {
  return `authorization { users: [
    { user: "ops", password: "s3cret" }
    { user: "u", password: "s3cret", permissions: { ${permissions} } }
  ] }\n`;
}

const ops: Partial<NatsAccess> = { user: "ops", password: "s3cret" };
const u = ({ url }: TestNats): NatsAccess => ({ url, user: "u", password: "s3cret" });

/** Longest way of a refusal, ticks: 2 s on a quiet machine. It comes with the server's next word. Without one a request waits 5 s or longer. */
const AT_ONCE_TICKS = 180;

test("a forbidden publish fails at once with subject, user and right, by whatever way it goes", async (t) => {
  const config = usersWith(
    'publish: { deny: ["tasks.GreetTask.>", "later.>", "$KV.>", "$JS.API.STREAM.MSG.GET.DEAD", "markers.>"] }',
  );
  await using nats = await startTestNats({ config });
  await using muster = await startMuster({ nats, access: ops });
  const nc = await connectNats({ ...u(nats), name: "u" });
  const broker = await openBroker(nc);
  const publisher = createPublisher(broker);
  const soon = new Date(Date.now() + 60_000);
  const asked: Readonly<Record<string, () => Promise<unknown>>> = {
    "tasks.GreetTask.lhcb": () => publisher.publish(GreetTask, { vo: "lhcb" }),
    "tasks.GreetTask.atlas": () =>
      publisher.publishMany(
        GreetTask,
        Array.from({ length: 600 }, () => ({ vo: "atlas" })),
      ),
    "later.GreetTask.lhcb.x": () => publisher.publish(GreetTask, { vo: "lhcb", at: soon, taskId: "x" }),
    "$KV.schedules.pause.GreetTask": () => pauseSchedule(broker, { task: "GreetTask" }),
    "$KV.config.current": () => broker.js.publish("$KV.config.current", "{}"),
    "$JS.API.STREAM.MSG.GET.DEAD": () => broker.jsm.streams.getMessage("DEAD", { seq: 1 }),
  };
  await using ticks = startTicks(muster.broker.nc);
  for (const [subject, ask] of Object.entries(asked)) {
    const startedAt = ticks.now();
    const error = await t.throwsAsync(ask(), { instanceOf: ForbiddenError }, subject);
    t.true(ticks.now() - startedAt < AT_ONCE_TICKS, subject);
    t.is(error.subject, subject);
    t.regex(
      error.message,
      /^Cannot publish to .*user "u" \(NATS_USER\), lacks the permission to publish there; ask for it$/,
    );
  }
  t.is(await muster.waiting(), 0);
  await nc.close();
});

test("a task that a user may not publish ends the command with that reason", async (t) => {
  await using nats = await startTestNats({ config: usersWith('publish: { deny: "tasks.MyPilotTask.>" }') });
  await using _muster = await startMuster({ nats, access: ops });
  const env = { NATS_URL: nats.url, NATS_USER: "u", NATS_PASSWORD: "s3cret" };
  const args = ["task", "publish", "MyPilotTask", '{"ceName":"ce01"}', "--vo", "lhcb", "--json"];
  const { code, output, errors } = await runMuster(args, env);
  t.deepEqual([code, output], [1, ""]);
  t.regex(errors, /^Cannot publish to tasks\.MyPilotTask\.lhcb: .*user "u".* lacks the permission/);
  t.is(errors.trim().split("\n").length, 1);
});

test("who may listen on no inbox hears so at once, and may use one under the prefix that is granted", async (t) => {
  await using nats = await startTestNats({
    config: usersWith(
      'subscribe: { allow: ["_INBOX_u.>", "wake.>", "drain.>", "$JS.EVENT.>", "$KV.results.cancel.>"] }',
    ),
  });
  await using muster = await startMuster({ nats, access: ops });
  const nc = await connectNats({ ...u(nats), name: "u" });
  await using ticks = startTicks(muster.broker.nc);
  const error = await t.throwsAsync(openBroker(nc), { instanceOf: ForbiddenError });
  t.true(ticks.now() < AT_ONCE_TICKS);
  t.regex(error.message, /^Cannot listen on _INBOX\..* lacks the permission to subscribe there/);
  await nc.close();
  const granted = { ...u(nats), inboxPrefix: "_INBOX_u" };
  const prefixed = await connectNats({ ...granted, name: "u" });
  const broker = await openBroker(prefixed);
  const { taskId } = await createPublisher(broker).publish(GreetTask, { vo: "lhcb" });
  await using worker = await muster.startWorker({ tasks: [GreetTask], access: granted });
  await muster.event("done", taskId);
  t.deepEqual(worker.health().problems, []);
  t.deepEqual(worker.watcher.alarms, []);
  await prefixed.close();
});

test("a worker that may not hear wakes is told so once for each right, and goes on with its sweep", async (t) => {
  await using nats = await startTestNats({ config: usersWith('subscribe: { deny: "wake.>" }') });
  await using muster = await startMuster({ nats, access: ops });
  const worker = await muster.startWorker({ tasks: [GreetTask], access: u(nats) });
  const { taskId } = await muster.publish(GreetTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  t.deepEqual(worker.health().problems, []);
  // On the second subject one process tells the others what it found in the store of TASKS.
  t.is(worker.watcher.alarms.length, 2, worker.watcher.alarms.join("; "));
  for (const right of ["wake.GreetTask.>", "wake._storage"]) {
    const start = `Cannot listen on ${right}: the NATS user of this process, user "u"`;
    t.true(
      worker.watcher.alarms.some((alarm) => alarm.startsWith(start)),
      worker.watcher.alarms.join("; "),
    );
  }
});

test("a worker that may not pull from one VO's lane names it, and goes on with those of the other VOs", async (t) => {
  const permissions = 'publish: { deny: "$JS.API.CONSUMER.MSG.NEXT.TASKS.GreetTask__atlas" }';
  await using nats = await startTestNats({ config: usersWith(permissions) });
  await using muster = await startMuster({ nats, access: ops });
  const worker = await muster.startWorker({ tasks: [GreetTask], access: u(nats), permits: 1 });
  const foreign = await muster.publish(GreetTask, { vo: "atlas" });
  const problem =
    /^cannot pull from consumer GreetTask__atlas, so these tasks reach nobody; the NATS user .*muster nats-users/;
  const red = () => worker.health().problems.find((each) => problem.test(each));
  await until(async () => red(), "a red worker");
  for (let count = 0; count < 3; count++) {
    await muster.event("done", (await muster.publish(GreetTask, { vo: "lhcb" })).taskId);
  }
  await nats.reload(usersWith("publish: {}"));
  await muster.event("done", foreign.taskId);
  await until(async () => (red() === undefined ? true : undefined), "a green worker");
  t.pass();
});

/** What a worker cannot do without. */
const needed: Readonly<Record<string, readonly [permissions: string, problem: RegExp]>> = {
  pull: [
    'publish: { deny: "$JS.API.CONSUMER.MSG.NEXT.>" }',
    /^Cannot publish to \$JS\.API\.CONSUMER\.MSG\.NEXT\.TASKS\.GreetTask__lhcb: .*user "u"/,
  ],
  ack: ['publish: { deny: "$JS.ACK.>" }', /^Cannot publish to \$JS\.ACK\.>: .*user "u"/],
  "listen on its inbox": ['subscribe: { deny: "_INBOX.>" }', /^Cannot listen on _INBOX\.>: .*user "u"/],
};

for (const [right, [permissions, problem]] of Object.entries(needed)) {
  test(`a worker that loses the right to ${right} is not ready and says why, until the right is back`, async (t) => {
    await using nats = await startTestNats({ config: usersWith("publish: {}") });
    await using muster = await startMuster({ nats, access: ops });
    const worker = await muster.startWorker({ tasks: [GreetTask], access: u(nats) });
    await muster.event("done", (await muster.publish(GreetTask, { vo: "lhcb" })).taskId);
    await nats.reload(usersWith(permissions));
    const { taskId } = await muster.publish(GreetTask, { vo: "lhcb" });
    const red = () => worker.health().problems.find((each) => problem.test(each));
    await until(async () => red(), "a red worker");
    t.true(worker.watcher.alarms.some((alarm) => problem.test(alarm)));
    await nats.reload(usersWith("publish: {}"));
    await muster.event("done", taskId);
    await until(async () => (red() === undefined ? true : undefined), "a green worker");
    t.pass();
  });
}

test("a scheduler that may not write markers is not ready and says why", async (t) => {
  const TickTask = atLeastOnceFactory()({
    name: "TickTask",
    per: "all",
    schedule: every({ seconds: 1 }),
    execute() {},
  });
  await using nats = await startTestNats({ config: usersWith('publish: { deny: "markers.>" }') });
  await using _muster = await startMuster({ nats, access: ops });
  const nc = await connectNats({ ...u(nats), name: "u" });
  const watcher = newWatcher();
  const broker = await openBroker(nc, { observer: watcher });
  const scheduler = await startScheduler({ broker, nats: u(nats), app: "test", tasks: [TickTask] });
  const problem = /^Cannot publish to markers\.TickTask\.>: .*user "u"/;
  await until(async () => scheduler.problems().find((each) => problem.test(each)), "a red scheduler");
  t.true(watcher.alarms.some((alarm) => problem.test(alarm)));
  await scheduler.stop();
  await nc.close();
});
