import test from "ava";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { countDeadLetters, deadLetters, type StoredDeadLetter } from "../dead/dead_letters.ts";
import { requeueDeadLetters } from "../dead/requeue.ts";
import { every } from "../calendar/schedule.ts";
import { listDelayed } from "../publish/delayed.ts";
import { listWaiting } from "../publish/waiting.ts";
import { headersFrom, SCHEDULE, SCHEDULE_TARGET } from "../format/headers.ts";
import { keepIncident, listIncidents } from "../broker/incidents.ts";
import { readMarker } from "../broker/marker.ts";
import { LATER, TASKS } from "../streams/streams.ts";
import { listWorkers, registerWorker } from "../presence/registration.ts";
import { assertCounts, countOn, type Grid, periodic, startGrid } from "../schedule/_grid_test.ts";

const PerVo = periodic("PerVo", undefined);
const Other = periodic("Other", undefined);
const Tick = periodic("Tick", every({ seconds: 3_600 }));

/** Publishes as a plain client may, which checks nothing; one byte of a subject a character. */
async function send({ url }: Grid, ...subjects: readonly string[]): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const lines = subjects.map((subject) => `PUB ${subject} 2\r\n{}\r\n`);
  socket.write(`CONNECT {"verbose":false,"lang":"raw","version":"0"}\r\n${lines.join("")}PING\r\n`, "latin1");
  for await (const chunk of socket) if (String(chunk).includes("PONG")) break;
}

async function lettersOf({ broker }: Grid): Promise<readonly StoredDeadLetter[]> {
  const letters: StoredDeadLetter[] = [];
  for await (const letter of deadLetters(broker)) letters.push(letter);
  return letters;
}

/** Resolves once `look` returns `count`. Throws when a minute has passed in which it did not grow, however fast the machine is. */
async function untilCounted(count: number, what: string, look: () => Promise<number>): Promise<void> {
  let most = -1;
  for (let until = 0; ; await pause(50)) {
    const found = await look();
    if (found >= count) return;
    if (found > most) until = Date.now() + 60_000;
    else if (Date.now() > until) throw new Error(`${found} ${what}, not ${count}`);
    most = Math.max(most, found);
  }
}

/** Resolves with the dead letters once there are so many. */
async function untilDead(grid: Grid, count: number): Promise<readonly StoredDeadLetter[]> {
  await untilCounted(count, "dead letters", () => countDeadLetters(grid.broker));
  return await lettersOf(grid);
}

async function countLater({ broker }: Grid): Promise<Readonly<Record<string, number>>> {
  return (await broker.jsm.streams.info(LATER, { subjects_filter: ">" })).state.subjects ?? {};
}

/** Resolves once all that was sent lies in TASKS, also what was delayed and fired. */
async function untilStored(grid: Grid, count: number): Promise<void> {
  const total = async () => Object.values(await countOn(grid, ">")).reduce((sum, each) => sum + each, 0);
  await untilCounted(count, "messages", total);
}

test("a message on a literal pattern becomes a dead letter by itself, and all that the pattern matches stays", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "cms"] });
  const innocent = ["tasks.PerVo.lhcb", "tasks.PerVo.cms", "tasks.Other.lhcb", "tasks.Other.cms"];
  const patterns = ["PerVo.*", "PerVo.>", "*.*", "*.lhcb", "*.>", ">", "PerVo.>.x"].map((tail) => `tasks.${tail}`);
  await send(grid, ...innocent, ...innocent, ...patterns, ...innocent, "tasks.PerVo.*", "tasks.Per\xffVo.lhcb");
  await send(grid, "due.PerVo.*", "due.PerVo.lhcb");
  await untilStored(grid, 3 * innocent.length + patterns.length + 4);
  await using _leader = await grid.lead([PerVo, Other]);
  const letters = await untilDead(grid, patterns.length + 3);
  await assertCounts(t, grid, {
    on: ">",
    are: {
      ...Object.fromEntries(innocent.map((subject) => [subject, 3])),
      "tasks.PerVo.lhcb": 4,
    },
  });
  t.deepEqual(
    letters.map(({ subject }) => subject).sort(),
    [...patterns, "tasks.PerVo.*", "tasks.Per\uFFFDVo.lhcb", "due.PerVo.*"].sort(),
  );
  for (const { reason } of letters)
    t.regex(reason, /^Cannot (use ".*" as|run a task on subject "due\.PerVo\.\*": no worker)/);
});

test("a literal pattern among the markers goes, and no other marker", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "cms"] });
  const own = { "markers.Tick.lhcb.default": 1, "markers.Tick.cms.default": 1 };
  await using leader = await grid.lead([Tick]);
  await untilStored(grid, 2);
  const before = await Promise.all([1, 2].map((seq) => grid.broker.jsm.streams.getMessage(TASKS, { seq })));
  await leader[Symbol.asyncDispose]();
  await send(grid, "markers.>", "markers.*.*.*", "markers.Tick.lhcb.*", "markers.Tick.lhcb.*", "markers.Tick.lhcb.a*b");
  await using _next = await grid.lead([Tick]);
  const isClear = async () => Object.keys(await countOn(grid, ">")).length === 2;
  for (const until = Date.now() + 60_000; Date.now() < until && !(await isClear()); ) await pause(50);
  await assertCounts(t, grid, { on: ">", are: own });
  const after = await Promise.all([1, 2].map((seq) => grid.broker.jsm.streams.getMessage(TASKS, { seq })));
  t.deepEqual(
    after.map((stored) => stored?.subject),
    before.map((stored) => stored?.subject),
  );
});

test("a literal pattern on later.> becomes a dead letter before its time, and delays nobody else's task", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "cms"] });
  const at = `@at ${new Date(Date.now() + 3_600_000).toISOString()}`;
  const delay = (vo: string, id: string) =>
    grid.broker.js.publish(`later.PerVo.${vo}.${id}`, "{}", {
      headers: headersFrom({ [SCHEDULE]: at, [SCHEDULE_TARGET]: `due.PerVo.${vo}` }),
    });
  // The server itself takes such a subject for a pattern, and replaces what is there; so this one comes first.
  await delay("lhcb", "*");
  await delay("lhcb", "one");
  await delay("cms", "two");
  await send(grid, "later.>", "later.PerVo.lhcb.>");
  t.deepEqual((await listDelayed(grid.broker)).tasks.map(({ taskId }) => taskId).sort(), ["one", "two"]);
  await using _leader = await grid.lead([PerVo]);
  const letters = await untilDead(grid, 3);
  // They are told before their messages go.
  for (const until = Date.now() + 60_000; Date.now() < until; await pause(50)) {
    if (Object.keys(await countLater(grid)).length === 2) break;
  }
  t.deepEqual(await countLater(grid), { "later.PerVo.lhcb.one": 1, "later.PerVo.cms.two": 1 });
  for (const { reason } of letters) t.regex(reason, /^Cannot delay this task: its subject "later\..*" is a pattern/);
});

test("a literal pattern in DEAD is shown as what it is, and requeues nobody else's task", async (t) => {
  await using grid = await startGrid();
  const { broker } = grid;
  await broker.js.publish("dead.PerVo.lhcb", "{}", {
    headers: headersFrom({ "Task-Id": "innocent", "Dead-Subject": "tasks.PerVo.lhcb" }),
  });
  await send(grid, "dead.>", "dead.PerVo.*", "dead.a=zz", "dead.PerVo.>");
  t.is(await countDeadLetters(broker), 5);
  t.deepEqual((await lettersOf(grid)).map(({ task, vo }) => `${task} ${vo}`).sort(), [
    "> ",
    "PerVo *",
    "PerVo >",
    "PerVo lhcb",
    "a=zz ",
  ]);
  for (const filter of [{ task: "*" }, { task: ">" }, { vo: "*" }, { task: "PerVo", vo: ">" }, { task: "PerVo.>" }]) {
    t.is(await countDeadLetters(broker, filter), 0);
    t.deepEqual(await requeueDeadLetters(broker, filter), { requeued: [], refused: [] });
  }
  await t.throwsAsync(listWaiting(broker, "*"), { name: "InvalidNameError" });
});

test("a literal pattern is found among tens of thousands of others, and what else is bad does not wait for it", async (t) => {
  await using grid = await startGrid();
  const many = Array.from({ length: 22_000 }, () => "tasks.PerVo.lhcb");
  await send(grid, "tasks.>", ...many, "tasks.PerVo.*", "tasks.2bad.lhcb");
  await untilStored(grid, many.length + 3);
  await using leader = await grid.lead([PerVo]);
  const letters = await untilDead(grid, 3);
  t.deepEqual(
    letters.map(({ subject }) => subject),
    ["tasks.2bad.lhcb", "tasks.>", "tasks.PerVo.*"],
  );
  await assertCounts(t, grid, { on: ">", are: { "tasks.PerVo.lhcb": many.length } });
  t.deepEqual(leader.alarms, []);
});

test("a literal pattern among the incidents or the markers hides none of ours, and is not taken for one", async (t) => {
  await using grid = await startGrid();
  await keepIncident(grid.broker, { kind: "gone", about: "LATER", text: "it had gone" });
  await grid.broker.js.publish("markers.Tick.lhcb.default", '{"dueAt":"2027-01-31T12:00:00Z","schedule":"every 1h"}');
  await send(grid, "$KV.results.incident.*", "$KV.results.incident.>", "$KV.results.incident.gone.*");
  t.deepEqual(
    (await listIncidents(grid.broker)).map(({ text }) => text),
    ["it had gone"],
  );
  t.is(await readMarker(grid.broker, "markers.Tick.*.default"), undefined);
  t.is((await readMarker(grid.broker, "markers.Tick.lhcb.default"))?.schedule, "every 1h");
});

test("a literal pattern or senseless value among the workers' records hides no worker", async (t) => {
  await using grid = await startGrid();
  await using _worker = registerWorker(grid.broker, { name: "mine", tasks: ["PerVo"], permits: 1 });
  await grid.broker.nc.flush();
  await send(grid, "$KV.workers.*", "$KV.workers.>", "$KV.workers.other");
  t.deepEqual(
    (await listWorkers(grid.broker)).map(({ name }) => name),
    ["mine"],
  );
});
