import { atLeastOnceFactory, connectNats, openBroker } from "@muster/tasks";
import { activeVos, changeConfiguration, readConfiguration, withoutVo, withVo } from "@muster/tasks/operate";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";

test("changes made at the same time are all kept, since each is written by compare-and-set", async (t) => {
  await using muster = await startMuster({ vos: [] });
  const vos = Array.from({ length: 20 }, (_, index) => `vo${index}`);
  await Promise.all(vos.map((vo) => changeConfiguration(muster.broker, (now) => withVo(now, vo))));
  t.deepEqual(activeVos(await readConfiguration(muster.broker)).toSorted(), vos.toSorted());
});

test("where somebody writes the first configuration while a change looks, both are kept", async (t) => {
  await using muster = await startMuster({ vos: [] });
  const { broker } = muster;
  let looks = 0;
  const info: typeof broker.jsm.streams.info = async (stream, options) => {
    // The second look at the bucket asks whether it has ever held anything.
    if (stream === "KV_config" && ++looks === 2) await changeConfiguration(broker, (now) => withVo(now, "first"));
    return await broker.jsm.streams.info(stream, options);
  };
  const streams = new Proxy(broker.jsm.streams, {
    get: (target, key) => (key === "info" ? info : Reflect.get(target, key)),
  });
  const jsm = new Proxy(broker.jsm, { get: (target, key) => (key === "streams" ? streams : Reflect.get(target, key)) });
  await changeConfiguration({ ...broker, jsm }, (now) => withVo(now, "second"));
  t.true(looks > 2);
  t.deepEqual(activeVos(await readConfiguration(broker)).toSorted(), ["first", "second"]);
});

test("a removed VO is remembered for thirty days, so that its tasks are dropped and not taken for mistakes", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb", "atlas"] });
  const after = await changeConfiguration(muster.broker, (now) => withoutVo(now, "atlas"));
  t.deepEqual(activeVos(after), ["lhcb"]);
  t.is(after.vos["atlas"]?.state, "removed");
  const longAgo = new Date(Date.now() - 31 * 86_400_000).toISOString();
  const aged = { ...after, vos: { ...after.vos, old: { state: "removed" as const, changedAt: longAgo } } };
  t.is(withoutVo(aged, "lhcb").vos["old"], undefined);
  t.is(withoutVo(aged, "lhcb").vos["atlas"]?.state, "removed");
  t.is(withVo(after, "atlas").vos["atlas"]?.state, "active");
});

test("a VO whose name is none is refused by name, character and rule", async (t) => {
  await using muster = await startMuster({ vos: [] });
  for (const vo of ["", "_", "a b", "a/b", "a@b", "ü", ".a", "a.", "a..b", "-a", "x".repeat(129)]) {
    const change = changeConfiguration(muster.broker, (now) => withVo(now, vo));
    await t.throwsAsync(change, { name: "InvalidNameError", message: /VO name.*; a VO name begins with/ }, vo);
  }
});

test("a configuration that cannot be used is reported, and the last good one stays in force", async (t) => {
  await using muster = await startMuster();
  const GreetTask = atLeastOnceFactory()({ name: "GreetTask", per: "vo", execute() {} });
  const worker = await muster.startWorker({ tasks: [GreetTask] });
  await muster.broker.buckets.config.put("current", '{"vos":"none"}');
  const { taskId } = await muster.publish(GreetTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  const told = async () => worker.watcher.alarms.find((alarm) => alarm.includes("cannot be used: vos: "));
  t.truthy(await until(told, "an alarm"));
});

test("a VO that is added just after the configuration was deleted joins the others, once a running worker has written them back", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb", "atlas"] });
  const GreetTask = atLeastOnceFactory()({ name: "GreetTask", per: "vo", execute() {} });
  await muster.startWorker({ tasks: [GreetTask] });
  await until(async () => {
    const { created } = await muster.broker.jsm.streams.info("TASKS");
    return Date.now() - Date.parse(created) > 2_500 ? true : undefined;
  }, "a bucket that is younger than its grid");
  await muster.broker.jsm.streams.delete("KV_config");
  const nc = await connectNats({ url: muster.nats.url, name: "operator" });
  const broker = await openBroker(nc);
  await changeConfiguration(broker, (now) => withVo(now, "dune"));
  t.deepEqual(activeVos(await readConfiguration(broker)).toSorted(), ["atlas", "dune", "lhcb"]);
  await nc.close();
});
