import { execFile } from "node:child_process";
import { connect } from "node:net";
import { promisify } from "node:util";
import { provisionNatsServer, startTestNatsServer } from "@muster/local";
import test from "ava";
import * as z from "zod";
import { changeConfiguration } from "../configuration/change_configuration.ts";
import { withVo } from "../configuration/configuration.ts";
import { every } from "../calendar/schedule.ts";
import { exponentialBackoff, noRetry } from "../definition/retry.ts";
import { atLeastOnceFactory, taskFactory } from "../definition/task.ts";
import { memoryLedger } from "./memory_ledger.ts";
import { until } from "./patience.ts";
import { startTestNats } from "./nats_program.ts";
import { startTestSystem } from "./test_system.ts";

interface Deps {
  greet(name: string): void;
}

const GreetTask = taskFactory<Deps>()({
  name: "GreetTask",
  per: "vo",
  payload: z.strictObject({ name: z.string() }),
  execute({ deps, payload: { name } }) {
    deps.greet(name);
    return { length: name.length };
  },
});

test("one line starts a system whose worker runs what the test publishes, with its ledger and deps", async (t) => {
  const greeted: string[] = [];
  const ledger = memoryLedger();
  await using system = await startTestSystem({
    nats: startTestNatsServer,
    tasks: [GreetTask],
    vos: ["lhcb"],
    ledger,
    deps: () => ({ greet: (name) => void greeted.push(name) }),
  });
  const { taskId } = await system.publish(GreetTask, { vo: "lhcb", payload: { name: "world" } });
  t.like(await system.outcomeOf(taskId), { step: "done", vo: "lhcb", attempt: 1 });
  t.deepEqual(greeted, ["world"]);
  t.like(ledger.rows()[0], { taskId, outcome: "done", result: { length: 5 } });
  await system.settled();
  t.is(system.scheduler, undefined);
  t.deepEqual(system.watcher.alarms, []);
});

test("a system tells each step of a task and how it ended", async (t) => {
  const FlakyTask = atLeastOnceFactory()({
    name: "FlakyTask",
    retry: exponentialBackoff({ maxRetries: 1, firstDelayMs: 1 }),
    execute: () => Promise.reject(new Error("down")),
  });
  const DropTask = { ...FlakyTask, name: "DropTask", retry: noRetry({ then: "drop" }) };
  await using system = await startTestSystem({ nats: startTestNatsServer, tasks: [FlakyTask, DropTask] });
  const flaky = await system.publish(FlakyTask);
  t.like(await system.until("retry", flaky.taskId), { attempt: 1, reason: "Error: down" });
  t.like(await system.outcomeOf(flaky.taskId), { step: "dead", attempt: 2 });
  t.like(await system.outcomeOf((await system.publish(DropTask)).taskId), { step: "dropped" });
});

test("the outcome of a task that cannot run is refused at once, with what is missing", async (t) => {
  const LoneTask = atLeastOnceFactory()({ name: "LoneTask", execute() {} });
  const VoTask = atLeastOnceFactory()({ name: "VoTask", per: "vo", execute() {} });
  await using system = await startTestSystem({ nats: startTestNatsServer, tasks: [VoTask], vos: ["lhcb"] });
  const stray = await system.publish(VoTask, { vo: "atlas" });
  await t.throwsAsync(system.outcomeOf(stray.taskId), {
    message: `Cannot await the outcome of ${stray.taskId}: VO atlas of VoTask is not configured in this test, which has only lhcb; give it to the vos of startTestSystem`,
  });
  const [lone] = await system.publishMany(LoneTask, [{ taskId: "lone" }]);
  await t.throwsAsync(system.outcomeOf("lone"), {
    message:
      "Cannot await the outcome of lone: no worker of this test has LoneTask, only VoTask; give it to the tasks of startTestSystem or startWorker",
  });
  await system.startWorker({ tasks: [LoneTask] });
  t.like(await system.outcomeOf("lone"), { step: "done", taskId: lone?.taskId });
  await changeConfiguration(system.broker, (now) => withVo(now, "atlas"));
  t.like(await system.outcomeOf(stray.taskId), { step: "done", vo: "atlas" });
});

test("a task with a schedule comes by itself, from a scheduler in the test's process", async (t) => {
  const ran = Promise.withResolvers<string>();
  const TickTask = atLeastOnceFactory()({
    name: "TickTask",
    schedule: every({ seconds: 1 }),
    execute: ({ taskId }) => ran.resolve(taskId),
  });
  await using system = await startTestSystem({ nats: startTestNatsServer, tasks: [TickTask] });
  const taskId = await ran.promise;
  t.regex(taskId, /^TickTask\/_\/default\//);
  await system.until("done", taskId);
  t.deepEqual(system.scheduler?.leads, ["TickTask"]);
});

test("a scheduler does not start with a task whose asynchronous schema refuses the payload of each occurrence", async (t) => {
  const payload = z.object({ ce: z.string().optional() }).refine(async ({ ce }) => ce !== undefined, "a CE is wanted");
  const CeTask = atLeastOnceFactory()({ name: "CeTask", payload, schedule: every({ hours: 1 }), execute() {} });
  await t.throwsAsync(startTestSystem({ nats: startTestNatsServer, tasks: [CeTask] }), {
    name: "PeriodicPayloadError",
    message: /CeTask.*a CE is wanted/,
  });
});

test("without another nats a system has the nats-server that is named, which ends with it", async (t) => {
  const nats = await startTestNats(await provisionNatsServer(() => {}));
  {
    await using system = await startTestSystem({ nats });
    t.is(await system.broker.nc.rtt().then(() => "answers"), "answers");
  }
  // A system on a server that somebody else started leaves it there.
  await using second = await startTestSystem({ nats });
  t.is(second.nats.url, nats.url);
  await nats[Symbol.asyncDispose]();
  await t.throwsAsync(startTestSystem({ nats }));
});

/** Resolves once nobody listens at `url`. */
async function untilRefused(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const look = () =>
    new Promise<true | undefined>((resolve) => {
      const socket = connect(Number(port), hostname);
      socket.once("connect", () => socket.destroy()).once("close", (hadError) => resolve(hadError ? true : undefined));
      socket.on("error", () => undefined);
    });
  await until(look, `the end of ${url}`);
}

test("a nats-server of a test whose process is killed ends too", async (t) => {
  const program = await provisionNatsServer(() => {});
  const code = [
    `import { startTestNats } from ${JSON.stringify(new URL("nats_program.ts", import.meta.url).href)};`,
    `console.log((await startTestNats(${JSON.stringify(program)})).url);`,
    "process.kill(process.pid, 'SIGKILL');",
  ].join("\n");
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code]);
  const { stdout } = await t.throwsAsync<Error & { stdout: string }>(run);
  const url = stdout.trim();
  t.regex(url, /^nats:\/\/127\.0\.0\.1:\d+$/);
  await t.notThrowsAsync(untilRefused(url));
});

test("a nats-server that cannot be started is named, with what to do", async (t) => {
  await t.throwsAsync(startTestNats("/no/nats-server"), {
    message:
      /^Cannot start \/no\/nats-server: .*ENOENT; put nats-server on the PATH, set NATS_SERVER to its path, or give startTestSystem another nats$/,
  });
  await t.throwsAsync(startTestNats(process.execPath), {
    message: /^Cannot start .*node.*: it ended at once; its log says:\n/,
  });
});
