import { startTestServer } from "@muster/logic/testing";
import { atLeastOnceFactory, defineLockType } from "@muster/tasks";
import { listLocks } from "@muster/tasks/operate";
import test from "ava";
import { once } from "node:events";
import * as z from "zod";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";
import { commandsOn } from "./run_muster.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const defineTask = atLeastOnceFactory();
const site = defineLockType("lock_test_site");
/** The locks' in this test, ms. A lease is renewed after a fifth of it. */
const TTL_MS = 10_000;

const HoldTask = defineTask({
  name: "HoldTask",
  per: "vo",
  payload: z.strictObject({ isWriter: z.boolean() }),
  locks: ({ isWriter }) =>
    isWriter
      ? [site.exclusive("rw")]
      : [site.mutex("ce05:9619/m"), site.shared("rw"), site.concurrency("c", 1), site.rate("r", "5/1d")],
  async execute({ signal, payload }) {
    if (!payload.isWriter && !signal.aborted) await once(signal, "abort");
    signal.throwIfAborted();
  },
});

test("locks and limits are listed with kind, holder, worker, task, time left and who waits, and a release says whose work it fences off", async (t) => {
  await using muster = await startMuster();
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  const worker = await muster.startWorker({ tasks: [HoldTask], lockTtlMs: TTL_MS });
  const reader = await muster.publish(HoldTask, { vo: "lhcb", payload: { isWriter: false } });
  await muster.event("started", reader.taskId);
  const writer = await muster.publish(HoldTask, { vo: "lhcb", payload: { isWriter: true } });
  await muster.event("contended", writer.taskId);
  const key = "_rw.lock_test_site.rw";
  await until(
    async () =>
      (await listLocks(muster.broker)).find((each) => each.key === key)?.waiting.length === 1 ? true : undefined,
    "the worker's word of who waits",
  );

  const locks = JSON.parse((await cli.run("lock", "list", "--json")).output) as Awaited<ReturnType<typeof listLocks>>;
  t.deepEqual(
    locks.map((each) => [each.key, each.kind, each.leases[0]?.mode, each.begun]),
    [
      ["_concurrency.lock_test_site.c", "concurrency", undefined, undefined],
      ["_rate.lock_test_site.r", "rate", undefined, 1],
      [key, "rw", "shared", undefined],
      ["lock_test_site.ce05=3A9619/m", "mutex", undefined, undefined],
    ],
  );
  for (const { leases, kind } of locks) {
    if (kind === "rate") continue;
    t.like(leases[0], { taskId: reader.taskId, worker: worker.name });
    t.true((leases[0]?.leftMs ?? 0) > 0 && (leases[0]?.leftMs ?? 0) <= TTL_MS + 1_000);
  }
  t.regex(
    (await cli.run("lock", "list", "--waiting")).output,
    /^_rw\.\S+ +shared +[0-9a-f]{8} +\S+ +\S+ +\d+\.\d s +1 +since /m,
  );
  t.regex((await cli.run("lock", "show", key)).output, new RegExp(`^1 task of ${worker.name} waits for it$`, "m"));

  for (const name of ["ce05:9619/m", "ce05=3A9619/m"]) {
    t.regex((await cli.run("lock", "show", `lock_test_site.${name}`)).output, new RegExp(reader.taskId), name);
  }

  const released = await cli.run("lock", "release", key);
  t.regex(released.output, new RegExp(`fenced off: task ${reader.taskId} of ${worker.name}, since .*database refuses`));
  t.is((await muster.event("done", writer.taskId)).attempt, 1);
  const again = await cli.run("lock", "release", "_rw.lock_test_site.nobody");
  t.is(again.code, 1);
  t.regex(again.errors, /nobody holds it/);
});

test("what somebody has stored by hand among the locks is listed with its value and freed, and a rate's window is emptied", async (t) => {
  await using muster = await startMuster();
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: await server.createUrl() });
  const { buckets, js } = muster.broker;
  await buckets.locks.put("my_pilot.ce02", "down\u001b[31mtime");
  await buckets.locks.put("_rate.lock_test_site.broken", "{}");
  await js.publish("$KV.locks.my_pilot.*", "mine");
  const kinds = async () => (await listLocks(muster.broker)).map(({ key, kind }) => `${key} ${kind}`);
  t.deepEqual(await kinds(), ["_rate.lock_test_site.broken foreign", "my_pilot.* pattern", "my_pilot.ce02 foreign"]);
  const { output } = await cli.run("lock", "list");
  t.regex(output, /^my_pilot\.ce02 +by hand .*stored by hand: "down\\u001b\[31mtime"$/m);

  const used = defineTask({ name: "UsedTask", per: "vo", locks: () => [site.rate("broken", "1/1d")], execute() {} });
  await muster.startWorker({ tasks: [used] });
  const first = await muster.publish(used, { vo: "lhcb", payload: {} });
  await muster.event("contended", first.taskId);
  t.regex(
    (await cli.run("lock", "release", "_rate.lock_test_site.broken")).output,
    /stored by hand: "\{\}"; no run was under it/,
  );
  await muster.event("done", first.taskId);
  const second = await muster.publish(used, { vo: "lhcb", payload: {} });
  await muster.event("contended", second.taskId);
  t.regex(
    (await cli.run("lock", "release", "_rate.lock_test_site.broken")).output,
    /its window is empty: 1 were counted/,
  );
  await muster.event("done", second.taskId);
  for (const key of ["my_pilot.ce02", "my_pilot.*"]) t.is((await cli.run("lock", "release", key)).code, 0);
  t.deepEqual(
    (await kinds()).filter((each) => !each.endsWith("rate")),
    [],
  );
});
