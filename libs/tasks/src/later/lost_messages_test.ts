import test from "ava";
import { headersFrom, TASK_ID } from "../format/headers.ts";
import { LATER, TASKS } from "../streams/streams.ts";
import { type Grid, startGrid } from "../schedule/_grid_test.ts";
import { findLostRetries, findLostTasks, publishRetry } from "./lost_messages.ts";

const retry = { task: "PerVo", vo: "lhcb", taskId: "moving", attempt: 1 };
const SUBJECT = "later.PerVo.lhcb.moving=7E2";

async function store({ broker }: Grid, taskId: string): Promise<number> {
  const { seq } = await broker.js.publish("tasks.PerVo.lhcb", "{}", { headers: headersFrom({ [TASK_ID]: taskId }) });
  return seq;
}

function delay({ broker }: Grid): Promise<void> {
  const dueAt = new Date(Date.now() + 3_600_000).toISOString();
  return publishRetry(broker, { ...retry, dueAt, body: "{}", headers: {} });
}

/** The grid's broker, where `steps` happen one by one: each right after LATER or TASKS was looked at, in turns. */
function whileReading({ broker }: Grid, steps: readonly (() => Promise<void>)[]): Pick<Grid["broker"], "jsm"> {
  let next = 0;
  let last = "";
  const { streams } = broker.jsm;
  // Where the other store is looked at, what is to happen in between has happened.
  async function before(stream: string): Promise<void> {
    if (last !== "" && stream !== last) await steps[next++]?.();
    last = stream;
  }
  const reading = Object.assign(Object.create(streams), {
    async getMessage(...args: Parameters<typeof streams.getMessage>) {
      await before(args[0]);
      return await streams.getMessage(...args);
    },
    async info(...args: Parameters<typeof streams.info>) {
      await before(args[0]);
      return await streams.info(...args);
    },
  });
  return { jsm: Object.assign(Object.create(broker.jsm), { streams: reading }) };
}

test("a retry that goes from TASKS to LATER and on to TASKS while it is looked for is not taken for lost", async (t) => {
  await using grid = await startGrid();
  const { jsm } = grid.broker;
  let place = await store(grid, "moving");
  const broker = whileReading(grid, [
    async () => {
      await delay(grid);
      await jsm.streams.deleteMessage(TASKS, place);
    },
    async () => {
      place = await store(grid, "moving");
      await jsm.streams.purge(LATER, { filter: SUBJECT });
    },
  ]);
  t.deepEqual(await findLostRetries(broker, [retry]), []);
  t.deepEqual(await findLostRetries(grid.broker, [retry]), [], "it waits in TASKS");
  await jsm.streams.deleteMessage(TASKS, place);
  t.deepEqual(await findLostRetries(grid.broker, [retry]), [retry]);
  await delay(grid);
  t.deepEqual(await findLostRetries(grid.broker, [retry]), [], "it waits in LATER");
});

test("of many tasks those are lost whose own message is in no stream, whatever lies beside", async (t) => {
  await using grid = await startGrid();
  const many = Array.from({ length: 1_200 }, (_, number) => ({ task: "PerVo", vo: "lhcb", taskId: `id ${number}` }));
  await Promise.all(many.slice(0, 600).map(({ taskId }) => store(grid, taskId)));
  await store(grid, "another");
  const at = new Date(Date.now() + 3_600_000).toISOString();
  const headers = headersFrom({ "Nats-Schedule": `@at ${at}`, "Nats-Schedule-Target": "due.PerVo.lhcb" });
  await grid.broker.js.publish("later.PerVo.lhcb.id=20601", "{}", { headers });
  const lost = await findLostTasks(grid.broker, many);
  t.deepEqual(
    lost.map(({ taskId }) => taskId),
    many.flatMap(({ taskId }, number) => (number < 600 || number === 601 ? [] : [taskId])),
  );
  t.deepEqual(await findLostTasks(grid.broker, [{ task: "PerVo", vo: "nobody", taskId: "id 1" }]), [
    { task: "PerVo", vo: "nobody", taskId: "id 1" },
  ]);
});

test("what has fired and cannot come to TASKS yet is not taken for lost", async (t) => {
  await using grid = await startGrid();
  const { js, jsm } = grid.broker;
  await jsm.streams.update(TASKS, { sources: [] });
  await js.publish("due.PerVo.lhcb", "{}", { headers: headersFrom({ [TASK_ID]: "moving" }) });
  const other = { ...retry, vo: "cms" };
  t.deepEqual(await findLostRetries(grid.broker, [retry, other]), [other]);
});
