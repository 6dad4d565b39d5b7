import { startTestServer } from "@muster/ledger/testing";
import { RetryTask } from "@muster/tasks";
import test from "ava";
import * as z from "zod";
import { createTestDatabase, defineSqlTask } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** A schema whose output is no valid input. To apply it twice, or to send its output, would be refused. */
const Downtime = z.strictObject({
  from: z.iso.datetime().transform((text) => new Date(text)),
  hours: z.int().default(2),
});

test("a payload is sent as it was given and transformed once for each run, over a retry and for a child", async (t) => {
  const seen: { readonly attempt: number; readonly from: Date; readonly hours: number }[] = [];
  const ChildTask = defineSqlTask({
    name: "ChildTask",
    per: "vo",
    payload: Downtime,
    execute: ({ payload }) => ({ fromMs: payload.from.getTime(), hours: payload.hours }),
  });
  const ParentTask = defineSqlTask({
    name: "ParentTask",
    per: "vo",
    payload: Downtime,
    execute({ payload, attempt, spawn }) {
      seen.push({ attempt, ...payload });
      if (attempt === 1) throw new RetryTask("not yet", { delayMs: 1 });
      return spawn(ChildTask, { from: "2027-02-01T00:00:00Z" });
    },
  });
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  const given = { from: "2027-01-31T12:00:00Z" };
  const { taskId, sequence } = await muster.publish(ParentTask, { vo: "lhcb", payload: given });
  const stored = await muster.broker.jsm.streams.getMessage("TASKS", { seq: sequence });
  t.deepEqual(stored?.json(), given);
  await muster.startWorker({ tasks: [ParentTask, ChildTask], ...database.forWorker });
  await muster.event("done", taskId);
  const from = new Date(given.from);
  t.deepEqual(seen, [
    { attempt: 1, from, hours: 2 },
    { attempt: 2, from, hours: 2 },
  ]);
  const childId = String((await database.database.ledger.recall(taskId))?.result);
  await muster.event("done", childId);
  const child = await database.database.ledger.recall(childId);
  t.deepEqual(child?.result, { fromMs: Date.parse("2027-02-01T00:00:00Z"), hours: 2 });
  t.deepEqual(await muster.deadLetters(), []);
});
