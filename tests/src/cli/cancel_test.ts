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

test("muster task cancel says where a task waits, and that it knows nothing of an id, which it shows as text", async (t) => {
  const waiting = await muster.publish(QuickTask, { vo: "lhcb", taskId: "waits" });
  const asked = cli.run("task", "cancel", waiting.taskId);
  const unknown = cli.run("task", "cancel", "<b>\u{202E}*");
  t.regex(
    (await asked).output,
    /^requested: QuickTask of lhcb waits for a worker, or runs; .* until \d{4}-.* is cancelled\n$/,
  );
  t.regex((await unknown).output, /^requested: no task of this id waits or runs/);
  t.is((await asked).code, 0);
  t.is((await cli.run("task", "cancel", "a\nb")).code, 2);
});
