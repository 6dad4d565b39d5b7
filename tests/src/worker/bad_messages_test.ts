import { atLeastOnceFactory, startScheduler } from "@muster/tasks";
import { findConfiguration, findLeaders } from "@muster/tasks/operate";
import test from "ava";
import * as z from "zod";
import { startMuster, type Muster } from "../support/muster.ts";
import { openOldClient } from "../support/old_client.ts";
import { publishBytes } from "../support/raw_socket.ts";
import { until } from "../support/until.ts";

const defineTask = atLeastOnceFactory();
const GreetTask = defineTask({
  name: "GreetTask",
  per: "vo",
  payload: z.object({ name: z.string(), room: z.strictObject({ number: z.number() }).optional() }),
  execute: ({ payload }) => `hello ${payload.name}`,
});
const SUBJECT = "tasks.GreetTask.lhcb";
const good = { vo: "lhcb", payload: { name: "Ada" } };

/** Runs a good task and waits for its end. What was published before it has then been looked at, or still blocks it. */
async function runGoodOne(muster: Muster): Promise<void> {
  const { taskId } = await muster.publish(GreetTask, good);
  await muster.event("done", taskId);
}

function manyKeys(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]));
}

const BODIES: readonly (readonly [what: string, body: string | Uint8Array, reason: RegExp])[] = [
  ["an array", "[]", /an array, not a JSON object/],
  ["null", "null", /null, not a JSON object/],
  ["a number", "17", /a number, not a JSON object/],
  ["cut-off JSON", '{"name":"Ad', /no JSON/],
  ["doubled JSON", '{"name":"Ada"}{"name":"Ada"}', /no JSON/],
  ["no UTF-8", Uint8Array.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), /no UTF-8/],
  ["a missing field", "{}", /name: /],
  ["nothing, where a field is needed", "", /name: /],
  ["a wrong type deep inside", '{"name":"Ada","room":{"number":"three"}}', /room\.number: /],
  ["__proto__", '{"name":"Ada","__proto__":{"admin":true}}', /a field "__proto__"/],
  ["100,000 levels", `{"name":"Ada","x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, /deeper than 64 levels/],
  ["50,000 keys", JSON.stringify({ name: "Ada", ...manyKeys(50_000) }), /more than 20000 values/],
];

test("each kind of bad body becomes a dead letter with its field and reason, and good tasks beside it run", async (t) => {
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [GreetTask] });
  await using client = await openOldClient(muster.nats.url);
  for (const [index, [, body]] of BODIES.entries())
    await client.publish(SUBJECT, { body, headers: { "Task-Id": `bad-${index}` } });
  await runGoodOne(muster);
  for (const [index, [what, , reason]] of BODIES.entries()) {
    t.regex((await muster.event("refused", `bad-${index}`)).reason ?? "", reason, what);
  }
  await muster.settled();
  const letters = new Map((await muster.deadLetters()).map((letter) => [letter.taskId, letter]));
  t.is(letters.size, BODIES.length);
  for (const [index, [what, body, reason]] of BODIES.entries()) {
    const letter = letters.get(`bad-${index}`);
    t.like(letter, { task: "GreetTask", vo: "lhcb", subject: SUBJECT }, what);
    t.regex(letter?.reason ?? "", reason, what);
    t.deepEqual(Buffer.from(letter?.body ?? ""), Buffer.from(body), what);
  }
  t.deepEqual(worker.watcher.alarms, []);
});

test("of a field written twice the last counts, and a NUL in a text runs", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [GreetTask] });
  await using client = await openOldClient(muster.nats.url);
  await client.publish(SUBJECT, { body: '{"name":1,"name":"Ada"}', headers: { "Task-Id": "twice" } });
  await client.publish(SUBJECT, { body: '{"name":"A\\u0000da"}', headers: { "Task-Id": "nul" } });
  await muster.event("done", "twice");
  await muster.event("done", "nul");
  t.is((await muster.deadLetters()).length, 0);
});

const ATTEMPTS = ["0", "-1", "1.5", "abc", "1e3", "99999999", "NaN"];

test("a senseless Task-Attempt becomes a dead letter that names the header", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [GreetTask] });
  await using client = await openOldClient(muster.nats.url);
  for (const attempt of ATTEMPTS) {
    await client.publish(SUBJECT, {
      body: '{"name":"Ada"}',
      headers: { "Task-Id": `t${attempt}`, "Task-Attempt": attempt },
    });
  }
  for (const attempt of ATTEMPTS) t.regex((await muster.event("refused", `t${attempt}`)).reason ?? "", /Task-Attempt/);
  await runGoodOne(muster);
  await muster.settled();
});

const HEADER_BLOCKS: readonly (readonly [what: string, block: string])[] = [
  ["a name with a space", "NATS/1.0\r\nTask Id: x\r\n\r\n"],
  ["a name that is no ASCII", "NATS/1.0\r\nT\xe2sk: x\r\n\r\n"],
  ["a control character in a name", "NATS/1.0\r\nA\x07B: x\r\n\r\n"],
];

test("header lines that no client reads become dead letters, and neither worker nor connection is harmed", async (t) => {
  await using muster = await startMuster();
  const worker = await muster.startWorker({ tasks: [GreetTask] });
  for (const [, headerBlock] of HEADER_BLOCKS) {
    await publishBytes(muster.nats.url, { subject: SUBJECT, headerBlock, body: '{"name":"Ada"}' });
  }
  await runGoodOne(muster);
  await muster.settled();
  const letters = await muster.deadLetters();
  t.is(letters.length, HEADER_BLOCKS.length);
  for (const letter of letters) t.regex(letter.reason, /header/);
  t.false(worker.watcher.notes.some((note) => note.includes("connection to NATS is lost")));
});

test("a message that bears a status line of the server's is a task like any other", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [GreetTask] });
  for (const status of ["404 No Messages", "409 Consumer Deleted", "503", "100 Idle Heartbeat"]) {
    const taskId = `status ${status}`;
    const headerBlock = `NATS/1.0 ${status}\r\nTask-Id: ${taskId}\r\n\r\n`;
    await publishBytes(muster.nats.url, { subject: SUBJECT, headerBlock, body: '{"name":"Ada"}' });
    await muster.event("done", taskId);
  }
  await muster.settled();
  t.is((await muster.deadLetters()).length, 0);
});

const IDS: readonly (readonly [what: string, header: string])[] = [
  ["a NUL", "Task-Id: a\x00b"],
  ["an escape sequence", "Task-Id: a\x1b[31mb"],
  ["a NUL in the broker's id", "Nats-Msg-Id: c\x00d"],
];

test("an id with control characters becomes a dead letter that names them, also that of a delayed task", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [GreetTask] });
  for (const [, header] of IDS) {
    await publishBytes(muster.nats.url, {
      subject: SUBJECT,
      headerBlock: `NATS/1.0\r\n${header}\r\n\r\n`,
      body: '{"name":"Ada"}',
    });
  }
  await using client = await openOldClient(muster.nats.url);
  const headers = { "Nats-Schedule": `@at ${new Date().toISOString()}`, "Nats-Schedule-Target": "due.GreetTask.lhcb" };
  await client.publish("later.GreetTask.lhcb.e=00f", { headers, body: '{"name":"Ada"}' });
  await runGoodOne(muster);
  await muster.settled();
  const letters = await muster.deadLetters();
  t.is(letters.length, IDS.length + 1);
  for (const { reason } of letters) t.regex(reason, /control character/);
});

test("two bad messages under one id are both kept, since they need not be the same", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [GreetTask] });
  await using client = await openOldClient(muster.nats.url);
  for (const body of ["[1]", "[2]"]) await client.publish(SUBJECT, { body, headers: { "Task-Id": "same" } });
  await muster.event("refused", "same", 2);
  await muster.settled();
  t.is((await muster.broker.jsm.streams.info("DEAD")).state.messages, 2);
});

test("a subject that no task has is left alone by workers, and swept into DEAD with its reason, whatever its headers are", async (t) => {
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [GreetTask] });
  const subjects = ["tasks.GreetTask", "tasks.GreetTask._", "tasks.GreetTask.a$b", "later.GreetTask.lhcb.no-time"];
  for (const subject of subjects) {
    await publishBytes(muster.nats.url, { subject, headerBlock: "NATS/1.0\r\nTask Id: x\r\n\r\n", body: "{}" });
  }
  await muster.broker.js.publish("tasks.UnknownTask.lhcb");
  await runGoodOne(muster);
  t.is((await muster.deadLetters()).length, 0);
  await using _scheduler = await startScheduler({
    broker: muster.broker,
    nats: muster.nats,
    app: "test",
    tasks: [GreetTask],
  });
  const swept = async () => ((await muster.deadLetters()).length === subjects.length ? true : undefined);
  await until(swept, "four dead letters");
  const letters = await muster.deadLetters();
  t.deepEqual(letters.map(({ subject }) => subject).toSorted(), subjects.toSorted());
  for (const { subject, reason } of letters) t.regex(reason, /^Cannot /, subject);
  t.is(await muster.waiting(), 1); // a newer worker may know that task
});

test("a payload of a newer version than the worker knows is no mistake: it waits for a worker that knows it", async (t) => {
  const NewGreetTask = defineTask({
    name: "GreetTask",
    per: "vo",
    payload: z.object({ firstName: z.string() }),
    payloadVersion: 2,
    execute: ({ payload }) => `hello ${payload.firstName}`,
  });
  const newer = { vo: "lhcb", payload: { firstName: "Ada" } };
  await using muster = await startMuster();
  const old = await muster.startWorker({ tasks: [GreetTask] });
  const { taskId } = await muster.publish(NewGreetTask, newer);
  const { reason } = await muster.event("abandoned", taskId);
  t.regex(reason ?? "", /version 2 of GreetTask's payload: this worker knows version 1/);
  await old.drain();
  t.is(await muster.waiting(), 1);
  t.deepEqual(await muster.deadLetters(), []);
  await muster.startWorker({ tasks: [NewGreetTask] });
  const second = await muster.publish(NewGreetTask, newer);
  await muster.event("done", second.taskId);
  const older = await muster.publish(GreetTask, { ...good, taskId: "older" });
  await muster.event("refused", older.taskId);
});

test("a value with headers that nobody can read, under the leaders' key or the configuration's, is like any other foreign value", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const { broker } = muster;
  const headerBlock = "NATS/1.0\r\nTask Id: x\r\n\r\n";
  for (const subject of ["$KV.locks.scheduler.leader", "$KV.config.current"]) {
    await publishBytes(muster.nats.url, { subject, headerBlock, body: "mine" });
  }
  t.is((await findLeaders(broker)).foreign, "mine");
  const { configuration, problem } = await findConfiguration(broker);
  t.deepEqual(Object.keys(configuration.vos), ["lhcb"]);
  t.is(problem?.kind, "broken");
});
