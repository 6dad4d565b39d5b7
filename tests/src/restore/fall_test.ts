import { comparingChore } from "@muster/app";
import { startTestServer } from "@muster/logic/testing";
import { listIncidents, type NatsFellError, watchFall } from "@muster/tasks/operate";
import test from "ava";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startApp } from "../apps/app_process.ts";
import { createTestDatabase } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** A grid whose server's store can be put back to what it was at `keep`. */
async function startRestorable() {
  const opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "muster-fall-"));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const nats = opened.use(await startTestNats());
  const muster = opened.use(await startMuster({ nats, vos: ["lhcb"] }));
  const publish = (taskId: string) => muster.broker.js.publish("tasks.NoTask.lhcb", "{}", { msgID: taskId });
  async function whileStopped(work: () => Promise<void>): Promise<void> {
    await nats.stop();
    await work();
    await nats.start();
    await muster.reconnected();
  }
  return {
    nats,
    muster,
    publish,
    keep: () => whileStopped(() => nats.copyStore(folder)),
    restore: () => whileStopped(() => nats.restoreStore(folder)),
    restoreOnly: (stream: string) =>
      whileStopped(async () => {
        const mixed = join(folder, "mixed");
        await nats.copyStore(mixed);
        const of = (store: string) => join(store, "$G", "streams", stream);
        await rm(of(mixed), { recursive: true });
        await cp(of(folder), of(mixed), { recursive: true });
        await nats.restoreStore(mixed);
      }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

test("a process that has known a later state of NATS learns of a restore at its reconnect, and of no other loss", async (t) => {
  await using grid = await startRestorable();
  const { muster, nats } = grid;
  await grid.publish("one");
  await grid.keep();
  await grid.publish("two");
  const falls: NatsFellError[] = [];
  using watch = watchFall(muster.broker, { onFall: (error) => void falls.push(error), everyMs: 600_000 });
  await grid.publish("three");
  await watch.look();
  await nats.kill();
  await nats.start();
  await muster.reconnected();
  await muster.broker.jsm.streams.purge("TASKS");
  await muster.broker.jsm.streams.delete("DEAD");
  await muster.broker.declareMissing();
  await watch.look();
  t.deepEqual(falls, [], "a kill, a purge and a stream that was declared again are none");
  await grid.restore();
  const fall = await until(async () => falls[0], "the fall to be noticed");
  t.true(fall.streams.includes("TASKS"));
  t.regex(fall.message, /^Cannot go on: NATS was restored to an earlier state, .*; start this process again/);
});

test("an app that runs while NATS is restored ends at once, so that nothing it remembers counts", async (t) => {
  await using grid = await startRestorable();
  await using database = await createTestDatabase(server);
  await grid.keep();
  await grid.publish("one");
  await using app = await startApp("scheduler", { natsUrl: grid.nats.url, databaseUrl: database.url });
  await app.line(/ready to schedule/);
  const said = app.line(/Cannot go on: NATS was restored to an earlier state/);
  await grid.restore();
  await said;
  t.is((await app.exited).code, 1);
});

test("where one stream alone is put back, the moment is told that it was put back to, whatever was stored in it since", async (t) => {
  await using grid = await startRestorable();
  const { broker } = grid.muster;
  await using created = await createTestDatabase(server);
  const chore = comparingChore({ broker, database: created.database });
  const never = new AbortController().signal;
  const { seq } = await grid.publish("one");
  const one = await broker.jsm.streams.getMessage("TASKS", { seq });
  await chore.run(never);
  await grid.keep();
  for (const taskId of ["two", "three"]) await grid.publish(taskId);
  await chore.run(never);
  await grid.restoreOnly("TASKS");
  await grid.publish("four");
  await chore.run(never);
  const told = await until(async () => {
    const restored = (await listIncidents(broker)).filter(({ kind }) => kind === "restored");
    return restored.length === 0 ? undefined : restored;
  }, "the incident");
  const at = one?.time.toISOString().replace(/\.\d+Z$/, "Z");
  t.true(
    told[0]?.text.startsWith(`TASKS went back to the state of ${at}, and the rest of NATS did not: `),
    told[0]?.text,
  );
  t.regex(told[0]?.text ?? "", /: at least 1 message of TASKS\. /);
});
