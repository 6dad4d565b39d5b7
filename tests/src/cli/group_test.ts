import { noRetry } from "@muster/tasks";
import test from "ava";
import { once } from "node:events";
import * as z from "zod";
import { defineSqlTask } from "../support/database.ts";
import { startServedCommands } from "./served_commands.ts";

const served = await startServedCommands();
const { muster, database, cli } = served;
test.after.always(() => served[Symbol.asyncDispose]());

const ChildTask = defineSqlTask({
  name: "ChildTask",
  per: "vo",
  payload: z.strictObject({ kind: z.enum(["done", "dead", "held"]) }),
  retry: noRetry(),
  async execute({ payload: { kind }, signal }) {
    if (kind === "dead") throw new Error("<b>no luck\u{202E}");
    if (kind === "held") await once(signal, "abort");
    return { kind };
  },
});
const ThenTask = defineSqlTask({ name: "ThenTask", per: "vo", execute() {} });
const FanTask = defineSqlTask({
  name: "FanTask",
  per: "vo",
  execute: ({ spawnGroup }) =>
    spawnGroup(
      (["done", "dead", "held"] as const).map((kind) => ({ task: ChildTask, payload: { kind }, key: kind })),
      { then: ThenTask },
    ),
});

test("muster group shows progress and failures of a group, and muster task cancel --group ends what is left of it", async (t) => {
  t.is((await cli.run("group", "list")).output, "No group is open, and none was called back within a day\n");
  await muster.startWorker({ tasks: [FanTask, ChildTask, ThenTask], ...database.forWorker });
  const parent = await muster.publish(FanTask, { vo: "lhcb", taskId: "fan" });
  await muster.event("done", parent.taskId);
  const id = String((await database.database.ledger.recall("fan"))?.result);
  for (const step of ["done", "dead"] as const) await muster.event(step, `${id}/${step}`);
  await muster.event("started", `${id}/held`);

  t.like(await cli.json("group", "list"), [{ id, parent: "fan", total: 3, ended: 2, failed: 1, closed: null }]);
  t.regex((await cli.run("group", "list")).output, /fan\/group\/\S+ +open +2 +3 +1 +ThenTask +lhcb/);
  const shown = (await cli.run("group", "show", id)).output;
  t.regex(shown, /ended +2 of 3, 1 of them not done/);
  t.regex(shown, /dead +dead +ChildTask +lhcb .*Error: <b>no luck\n/);
  t.regex(shown, /held +not ended +ChildTask/);
  const { children } = (await cli.json("group", "show", id)) as { children: object[] };
  t.like(children, [{ key: "done", result: { kind: "done" } }, { outcome: "dead" }, { outcome: "missing" }]);

  const cancelled = await cli.run("task", "cancel", "fan", "--group");
  t.is(cancelled.code, 0);
  t.is(cancelled.output, `too late: fan is done\ncancelled group ${id}: 1 of its 3 children had not ended\n`);
  await muster.event("done", `${id}/then`);
  t.regex((await cli.run("group", "show", id)).output, /state +called: done/);
  const late = await cli.run("task", "cancel", id, "--group");
  t.is(late.code, 1);
  t.is(late.output, `too late: group ${id} is closed\n`);
  const unknown = await cli.run("group", "show", "nothing*");
  t.is(unknown.code, 1);
  t.regex(unknown.errors, /Cannot show group "nothing\*": there is none/);
});
