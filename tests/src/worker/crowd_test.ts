import { startTestServer } from "@muster/ledger/testing";
import { defineLockType } from "@muster/tasks";
import test from "ava";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const siteLock = defineLockType("crowd_test_site");
const SiteTask = defineSqlTask({
  name: "SiteTask",
  per: "vo",
  payload: z.strictObject({ site: z.string() }),
  locks: ({ site }) => [siteLock.mutex(site)],
  execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
});

test("thousands that wait for one lock are read past once, and then stand before no task for a free lock", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.hold("crowd_test_site.busy", 300_000);
  const many = Array.from({ length: 5_000 }, () => ({ vo: "lhcb", payload: { site: "busy" } }));
  await muster.publishMany(SiteTask, many);
  const startedAfterMs = async (site: string) => {
    const { taskId } = await muster.publish(SiteTask, { vo: "lhcb", payload: { site } });
    const { tookMs = 0 } = await muster.event("started", taskId);
    return tookMs;
  };
  await muster.startWorker({ tasks: [SiteTask], ...database.forWorker });
  const firstMs = await startedAfterMs("free");
  // A task that comes back while others were not read yet would overtake them, again and again.
  const { delivered } = await muster.broker.jsm.consumers.info("TASKS", "SiteTask__lhcb");
  const laterMs = [await startedAfterMs("free1"), await startedAfterMs("free2"), await startedAfterMs("free3")];
  t.log(
    `${delivered.consumer_seq} deliveries, ${Math.round(firstMs)} ms; then ${laterMs.map(Math.round).join(", ")} ms`,
  );
  t.true(delivered.consumer_seq < 3 * many.length); // 1.2 times on a machine of its own
  t.true(Math.min(...laterMs) < 10_000);
});
