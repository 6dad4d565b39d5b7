import { startNatsServer } from "@muster/local";
import { addCe, type Database, listUnpublished, requestPilots } from "@muster/logic";
import { outcome, runSql, startTestServer } from "@muster/logic/testing";
import { MyPilotTask } from "@muster/pilot-tasks";
import { changeConfiguration, connectNats, createPublisher, listWaiting, openBroker, withVo } from "@muster/tasks";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChoreContext, forgetLostRequests, pruneOldOutcomes, republishChildren } from "./chores.ts";

const opened = new AsyncDisposableStack();
const folder = opened.use(await mkdtempDisposable(join(tmpdir(), "muster-chores-")));
const [postgres, nats] = await Promise.all([
  startTestServer(),
  startNatsServer({ dataDir: folder.path, syncInterval: "lazy" }),
]);
opened.use(postgres);
opened.defer(() => nats.stop());
const nc = await connectNats({ url: nats.url, name: "chores test" });
opened.defer(() => nc.close());
const broker = await openBroker(nc);
test.after.always(() => opened.disposeAsync());

const payload = { ceName: "ce01" };
const never = new AbortController().signal;
const quiet = { info() {}, warn() {} };

async function open(): Promise<{ database: Database; context: ChoreContext }> {
  const database = await postgres.open();
  await database.transaction((transaction) => addCe(transaction, { name: "ce01", capacity: 10, successRate: 1 }));
  return { database, context: { broker, database, log: quiet } };
}

async function countWaiting(vo: string): Promise<number> {
  const waiting = await listWaiting(broker, MyPilotTask.name);
  return waiting.find((each) => each.vo === vo)?.ready ?? 0;
}

test("children that nobody marked as published are published by the scheduler, once", async (t) => {
  const { database, context } = await open();
  await using _closed = database;
  const children = ["a", "b"].map((id) => ({ taskId: `p/${id}`, task: MyPilotTask.name, vo: "republished", payload }));
  await database.unitOfWork.record(outcome("p", { vo: "republished", spawned: children }));
  await republishChildren(context);
  t.is(await countWaiting("republished"), 0, "its worker may still be at it");
  await runSql(database, "update task_outcome set settled_at = now() - interval '6 minutes'");
  await republishChildren(context);
  await republishChildren(context);
  t.is(await countWaiting("republished"), 2);
  t.deepEqual(await database.transaction((transaction) => listUnpublished(transaction)), []);
});

test("a pilot that was asked for and whose message is lost gives its slot back after ten minutes, others keep theirs", async (t) => {
  const { database, context } = await open();
  await using _closed = database;
  await changeConfiguration(broker, (now) => withVo(withVo(withVo(now, "lost"), "waiting"), "delayed"));
  const publisher = createPublisher(broker);
  await publisher.publish(MyPilotTask, { vo: "waiting", payload });
  await publisher.publish(MyPilotTask, {
    ...{ vo: "delayed", payload, taskId: "of delayed" },
    at: new Date(Date.now() + 3_600_000),
  });
  const requests = ["lost", "waiting", "delayed"].map((vo) => ({ taskId: `of ${vo}`, ceName: "ce01", vo }));
  requests.push({ taskId: "lost beside a delayed one", ceName: "ce01", vo: "delayed" });
  await database.transaction((transaction) => requestPilots(transaction, requests));
  const left = async () =>
    (await runSql<{ vo: string }>(database, "select vo from pilot_request order by vo")).map(({ vo }) => vo);
  await forgetLostRequests(context);
  t.deepEqual(await left(), ["delayed", "delayed", "lost", "waiting"]);
  await runSql(database, "update pilot_request set requested_at = now() - interval '11 minutes'");
  await forgetLostRequests(context);
  t.deepEqual(await left(), ["delayed", "waiting"]);
});

test("outcomes of more than thirty days ago are dropped, however many", async (t) => {
  const { database, context } = await open();
  await using _closed = database;
  await database.unitOfWork.record(outcome("young"));
  await runSql(
    database,
    `insert into task_outcome (task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors, settled_at, published_at)
     select 'old ' || n, 'MyPilotTask', 'lhcb', '', 1, 'done', 'null', '[]', '[]', now() - interval '31 days', now() from generate_series(1, 10001) n`,
  );
  await pruneOldOutcomes(context, never);
  t.deepEqual(await runSql(database, "select task_id from task_outcome"), [{ task_id: "young" }]);
});
