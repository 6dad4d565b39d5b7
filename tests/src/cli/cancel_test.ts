import { atLeastOnceFactory } from "@muster/tasks";
import test from "ava";
import { once } from "node:events";
import { defineSqlTask } from "../support/database.ts";
import { startServedCommands } from "./served_commands.ts";

const served = await startServedCommands();
const { muster, database, cli } = served;
test.after.always(() => served[Symbol.asyncDispose]());

const HeldTask = defineSqlTask({
  name: "HeldTask",
  per: "vo",
  execute: ({ signal }) => once(signal, "abort").then(() => {}),
});
const QuickTask = atLeastOnceFactory()({ name: "QuickTask", per: "vo", execute() {} });

test("muster task cancel ends a running task, with who and why in its row, and says when it is too late", async (t) => {
  await muster.startWorker({ tasks: [HeldTask], ...database.forWorker });
  const { taskId } = await muster.publish(HeldTask, { vo: "lhcb" });
  await muster.event("started", taskId);
  const cancelled = await cli.run("task", "cancel", taskId, "--reason", "wrong dataset");
  t.is(cancelled.code, 0);
  t.is(cancelled.output, `cancelled ${taskId}\n`);
  const row = await database.database.ledger.recall(taskId);
  t.is(row?.outcome, "cancelled");
  t.regex(row?.errors[0] ?? "", /^cancelled by \S+@\S+: wrong dataset$/);
  t.deepEqual(await cli.json("task", "cancel", taskId), { kind: "cancelled", taskId });

  const dead = { taskId: "gone", task: "HeldTask", vo: "lhcb", payloadHash: "", attempt: 1, result: null } as const;
  await database.database.ledger.record({ ...dead, outcome: "done", spawned: [], dueAt: null, errors: [] });
  const late = await cli.run("task", "cancel", "gone");
  t.is(late.code, 1);
  t.is(late.output, "too late: gone is done\n");
});

test("muster task cancel says where a task waits, and task show that it was cancelled before it ran", async (t) => {
  await muster.publish(QuickTask, { vo: "lhcb", taskId: "waits" });
  const asked = await cli.run("task", "cancel", "waits");
  t.regex(asked.output, /^requested: QuickTask of lhcb waits for a worker, or runs; .* until \d{4}-.* is cancelled\n$/);
  t.is(asked.code, 0);
  await muster.startWorker({ tasks: [QuickTask] });
  await muster.event("cancelled", "waits");
  const shown = await cli.run("task", "show", "waits");
  t.regex(shown.output, /^state +cancelled before attempt 1 began$/m);
});

test("muster task cancel fails for an id that nothing tells of, says that the wish is kept, and shows the id as text", async (t) => {
  const [unknown, json] = await Promise.all([
    cli.run("task", "cancel", "<b>\u{202E}*"),
    cli.run("task", "cancel", "nobody", "--json"),
  ]);
  t.is(unknown.code, 1);
  t.regex(
    unknown.output,
    /^no task <b>\S+\* is known: neither streams, ledger, results nor events tell of it; check the id/,
  );
  t.regex(unknown.output, /The wish is kept: what is pulled under this id until \d{4}-.* is cancelled\n$/);
  t.is(json.code, 1);
  t.like(JSON.parse(json.output), { kind: "requested", found: "nowhere" });
  t.is((await cli.run("task", "cancel", "a\nb")).code, 2);
});

test("muster task cancel is too late for a task of whose end its event alone tells, and no later task of the id is cancelled", async (t) => {
  const PassingTask = atLeastOnceFactory()({ name: "PassingTask", per: "vo", execute() {} });
  await muster.startWorker({ tasks: [PassingTask] });
  await muster.publish(PassingTask, { vo: "lhcb", taskId: "passed" });
  await muster.event("done", "passed");
  const late = await cli.run("task", "cancel", "passed");
  t.is(late.output, "too late: passed is done\n");
  t.is(late.code, 1);
  t.like((await muster.broker.buckets.results.get("cancel.passed"))?.json(), { of: "task", ended: "done" });
});
