import test from "ava";
import * as z from "zod";
import { type Configuration, type TaskSettings, withVo } from "../configuration/configuration.ts";
import { every } from "../calendar/schedule.ts";
import { headersFrom, TASK_ID } from "../format/headers.ts";
import { TASKS } from "../streams/streams.ts";
import { allOn, assertCounts, type Grid, listen, periodic, recurring, type Seen, startGrid } from "./_grid_test.ts";
import { parseMarker, printMarker } from "../broker/marker.ts";
import { withScheduleSwitched } from "./change_schedule.ts";

const payload = z.strictObject({ n: z.int().default(0) });
const Tick = recurring({ name: "Tick", schedule: every({ seconds: 1 }), payload });

function withInstances(now: Configuration, instances: NonNullable<TaskSettings["instances"]>): Configuration {
  return { ...now, tasks: { ...now.tasks, Tick: { ...now.tasks["Tick"], instances } } };
}

async function bodyOf({ broker }: Grid, { sequence }: Seen): Promise<unknown> {
  return (await broker.jsm.streams.getMessage(TASKS, { seq: sequence }))?.json();
}

const isOf =
  (instance: string, vo = "lhcb") =>
  (one: Seen) =>
    one.instance === instance && one.of === `Tick/${vo}`;

test("named instances of a definition and of the configuration come beside the task's own schedule, each with its own payload", async (t) => {
  await using grid = await startGrid({ vos: ["atlas", "lhcb"] });
  const instances = {
    two: { schedule: every({ seconds: 2 }), payload: { n: 2 } },
    for_atlas: { schedule: every({ seconds: 2 }), vos: ["atlas"] },
  };
  const heard = listen(grid.broker.nc);
  await grid.configure((now) =>
    withInstances(now, {
      three: { schedule: "every 1s", payload: { n: 3 }, vos: ["lhcb"] },
      for_atlas: { payload: { n: 4 } },
    }),
  );
  await using _leader = await grid.lead([
    recurring({ name: "Tick", schedule: every({ seconds: 1 }), payload, instances }),
  ]);
  const expected = [
    ["default", "lhcb", {}],
    ["default", "atlas", {}],
    ["two", "lhcb", { n: 2 }],
    ["two", "atlas", { n: 2 }],
    ["three", "lhcb", { n: 3 }],
    ["for_atlas", "atlas", { n: 4 }],
  ] as const;
  for (const [instance, vo, body] of expected) {
    const [first] = await heard.atLeast(1, isOf(instance, vo));
    t.deepEqual(await bodyOf(grid, first ?? t.fail()), body, `${instance} of ${vo}`);
  }
  const came = new Set(heard.seen.map(({ of, instance }) => `${of}/${instance}`));
  t.deepEqual([...came].sort(), expected.map(([instance, vo]) => `Tick/${vo}/${instance}`).sort());
});

test("I19: each instance has one occurrence at a time, and one that waits holds no other instance up", async (t) => {
  await using grid = await startGrid();
  await grid.configure((now) => withInstances(now, { other: { schedule: "every 1s" } }));
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([Tick]);
  await heard.atLeast(1, isOf("default"));
  for (let round = 1; round <= 3; round++) {
    const found = await heard.atLeast(round, isOf("other"));
    await grid.finish(found.at(-1) ?? t.fail());
  }
  t.is(heard.seen.filter(isOf("default")).length, 1);
});

test("an instance that is taken away, or that a VO loses, ends within moments with what waits of it; given again it begins anew", async (t) => {
  await using grid = await startGrid({ vos: ["atlas", "lhcb"] });
  await grid.configure((now) => withInstances(now, { gone: { schedule: "every 1s" }, less: { schedule: "every 1s" } }));
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([Tick]);
  for (const vo of ["atlas", "lhcb"])
    for (const name of ["gone", "less", "default"]) await heard.atLeast(1, isOf(name, vo));
  await grid.configure((now) => withInstances(now, { less: { schedule: "every 1s", vos: ["atlas"] } }));
  // The task's own schedule goes on, and what `less` still has.
  await assertCounts(t, grid, { on: "tasks.>", are: { "tasks.Tick.atlas": 2, "tasks.Tick.lhcb": 1 } });
  const againAt = Date.now();
  await grid.configure((now) => withInstances(now, { gone: { schedule: "every 1s" } }));
  const [, again] = await heard.atLeast(2, isOf("gone"));
  t.true((again?.dueAt ?? 0) > againAt, "what was missed meanwhile does not come");
});

test("an instance that was taken away while no scheduler ran is ended by the next one, and its marker goes", async (t) => {
  await using grid = await startGrid();
  const subject = "markers.Tick.lhcb.gone";
  await grid.broker.js.publish(subject, printMarker({ dueAt: Date.now() - 60_000, schedule: "every 1s", message: 2 }));
  const { nc, js } = grid.broker;
  const headers = headersFrom({ [TASK_ID]: "Tick/lhcb/gone/2027-01-31T12:00:00.000Z" });
  await js.publish("tasks.Tick.lhcb", "{}", { headers });
  const dropped = nc.subscribe("events.Tick.lhcb.dropped", { max: 1 });
  const leader = await grid.lead([Tick]);
  for (const event of await allOn(dropped)) t.regex(event.string(), /switched off/);
  for (;;) {
    const stored = await grid.broker.jsm.streams.getMessage(TASKS, { last_by_subj: subject });
    if (stored === null || parseMarker(stored.seq, stored.string()).schedule === "off") break;
  }
  await leader[Symbol.asyncDispose]();
  // A leader sweeps first of all.
  await using _next = await grid.lead([Tick]);
  await assertCounts(t, grid, { on: subject, are: {} });
  await assertCounts(t, grid, { on: "markers.>", are: { "markers.Tick.lhcb.default": 1 } });
});

test("what the configuration says of an instance and cannot be used is reported, and changes nothing", async (t) => {
  await using grid = await startGrid();
  await grid.configure((now) => withInstances(now, { other: { schedule: "every 1s", payload: { n: 1 } } }));
  const heard = listen(grid.broker.nc);
  await using leader = await grid.lead([Tick]);
  const [first] = await heard.atLeast(1, isOf("other"));
  await grid.configure((now) =>
    withInstances(now, { other: { schedule: "every 1s", payload: { n: "many" } }, bare: {} }),
  );
  await leader.configuration.refresh();
  await grid.finish(first ?? t.fail());
  const [, second] = await heard.atLeast(2, isOf("other"));
  t.deepEqual(await bodyOf(grid, second ?? t.fail()), { n: 1 });
  t.true(
    leader.alarms.some((text) => text.includes("Tick, instance other")),
    leader.alarms.join(),
  );
  t.true(
    leader.alarms.some((text) => text.includes("Tick, instance bare")),
    leader.alarms.join(),
  );
  // Whoever leads next has nothing from before, so it waits for a configuration that is right.
  await leader[Symbol.asyncDispose]();
  for (const one of heard.seen.filter(isOf("default"))) await grid.finish(one).catch(() => undefined); // most have gone
  const before = heard.seen.filter(isOf("default")).length;
  await using _next = await grid.lead([Tick]);
  await heard.atLeast(before + 1, isOf("default"));
  const marker = await grid.broker.jsm.streams.getMessage(TASKS, { last_by_subj: "markers.Tick.lhcb.other" });
  t.is(marker && parseMarker(marker.seq, marker.string()).schedule, "every 1s", "its marker stays");
});

test("an instance is switched off by itself, and with its whole task", async (t) => {
  await using grid = await startGrid();
  await grid.configure((now) =>
    withInstances(now, { off: { schedule: "every 1s", enabled: false }, on: { schedule: "every 1s" } }),
  );
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([Tick, periodic("Tock", every({ seconds: 1 }))]);
  await heard.atLeast(1, isOf("on"));
  const dropped = grid.broker.nc.subscribe("events.Tick.lhcb.dropped", { max: 2 });
  await heard.atLeast(1, isOf("default"));
  await grid.configure((now) => withScheduleSwitched(now, { task: "Tick" }, "off"));
  const ids: string[] = [];
  for (const event of await allOn(dropped)) ids.push(event.json<{ taskId: string }>().taskId.split("/")[2] ?? "");
  t.deepEqual(ids.sort(), ["default", "on"]);
  t.false(heard.seen.some(isOf("off")));
});

test("a VO that is added has each instance at once", async (t) => {
  await using grid = await startGrid();
  await grid.configure((now) => withInstances(now, { other: { schedule: "every 1s" } }));
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([Tick]);
  await heard.atLeast(1, isOf("other"));
  await grid.configure((now) => withVo(now, "cms"));
  await heard.atLeast(1, isOf("other", "cms"));
  await heard.atLeast(1, isOf("default", "cms"));
  t.pass();
});
