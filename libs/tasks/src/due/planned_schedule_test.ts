import test from "ava";
import * as z from "zod";
import { cron, every } from "../calendar/schedule.ts";
import { type Configuration, withoutVo, withVo } from "../configuration/configuration.ts";
import { periodic, recurring } from "../schedule/_grid_test.ts";
import { withSchedule, withScheduleSwitched } from "../schedule/change_schedule.ts";
import { InvalidScheduleError } from "../calendar/invalid_schedule.ts";
import { instanceProblems } from "./instances.ts";
import { type Plan, planSchedules } from "./planned_schedule.ts";

const tasks = [
  periodic("PerVo", every({ seconds: 5 })),
  periodic("ForAll", cron("0 * * * *"), "all"),
  periodic("OnDemand", undefined),
];
const vos = withVo(withVo({ vos: {}, tasks: {} }, "lhcb"), "vo.cta.in2p3.fr");
const NOTHING: Plan = new Map();

function plan(configuration: Configuration, before = NOTHING) {
  const problems: string[] = [];
  const planned = planSchedules({ tasks, configuration, before }, (about, cause) =>
    problems.push(`${about}: ${cause}`),
  );
  return { planned, problems, texts: Object.fromEntries(Array.from(planned, ([key, { text }]) => [key, text])) };
}

test("per-VO tasks are planned for each active VO, others once, and those without a schedule not at all", (t) => {
  t.deepEqual(plan(withoutVo(withVo(vos, "gone"), "gone")).texts, {
    "PerVo/lhcb/default": "every 5s",
    "PerVo/vo.cta.in2p3.fr/default": "every 5s",
    "ForAll/_/default": "cron 0 * * * * UTC",
  });
});

test("a VO's own override goes before the task's, and that before the definition", (t) => {
  let now = withSchedule(vos, { task: "PerVo" }, "every 1h");
  now = withSchedule(now, { task: "PerVo", vo: "lhcb" }, "every 2h");
  now = withScheduleSwitched(now, { task: "ForAll" }, "off");
  now = withSchedule(now, { task: "OnDemand", vo: "lhcb" }, "every 3h");
  t.deepEqual(plan(now).texts, {
    "PerVo/lhcb/default": "every 2h",
    "PerVo/vo.cta.in2p3.fr/default": "every 1h",
    "ForAll/_/default": "off",
    "OnDemand/lhcb/default": "every 3h",
  });
  now = withScheduleSwitched(withScheduleSwitched(now, { task: "PerVo" }, "off"), { task: "PerVo", vo: "lhcb" }, "on");
  t.like(plan(now).texts, { "PerVo/lhcb/default": "every 2h", "PerVo/vo.cta.in2p3.fr/default": "off" });
  t.like(plan(withSchedule(now, { task: "PerVo", vo: "lhcb" }, undefined)).texts, { "PerVo/lhcb/default": "every 1h" });
  t.throws(() => withSchedule(now, { task: "PerVo" }, "every now and then"), { instanceOf: InvalidScheduleError });
});

test("an override that cannot be used is reported and changes nothing", (t) => {
  const { planned: before } = plan(withSchedule(vos, { task: "PerVo" }, "every 1h"));
  const bad: Configuration = {
    ...vos,
    tasks: { PerVo: { schedule: "every other day" }, ForAll: { schedule: "cron 0 0 31 2 *" } },
  };
  const { texts, problems } = plan(bad, before);
  t.like(texts, { "PerVo/lhcb/default": "every 1h", "ForAll/_/default": "cron 0 * * * * UTC" });
  t.is(problems.length, 3);
  t.like(plan(bad).texts, { "PerVo/lhcb/default": "every 5s" });
});

test("a schedule for a task that has none and needs a payload is refused, for all VOs and for one, unless the configuration gives the payload", (t) => {
  const needy = recurring({ name: "Needy", payload: z.strictObject({ site: z.string() }) });
  const problems: string[] = [];
  const keys = (settings: Configuration["tasks"][string]) => [
    ...planSchedules(
      { tasks: [needy], configuration: { ...vos, tasks: { Needy: settings } }, before: NOTHING },
      (about, cause) => problems.push(`${about}: ${cause instanceof Error ? cause.message : ""}`),
    ).keys(),
  ];
  t.deepEqual(keys({ schedule: "every 1h" }), []);
  t.deepEqual(keys({ vos: { lhcb: { schedule: "every 1h" } } }), []);
  t.is(problems.length, 3, problems.join());
  for (const problem of problems)
    t.regex(problem, /^Needy, instance default: Cannot use .*site.*; give it one under instances\.default\.payload$/);
  t.is(keys({ schedule: "every 1h", instances: { default: { payload: { site: "a" } } } }).length, 2);
  t.is(problems.length, 3, problems.join());
  t.deepEqual(
    instanceProblems(needy, { vos: { lhcb: { schedule: "every 1h" } } }).map(({ instance }) => instance),
    ["default"],
  );
  t.deepEqual(instanceProblems(needy, { enabled: false }), []);
});

test("a VO whose name is none is left out and reported, and the others are planned", (t) => {
  const { texts, problems } = plan({
    ...vos,
    vos: { ...vos.vos, "a b": { state: "active", changedAt: "2026-01-01T00:00:00Z" } },
  });
  t.is(Object.keys(texts).length, 3);
  t.regex(problems.join(), /"a b" as VO name/);
});

test("what did not change stays the same object, so that nothing begins anew", (t) => {
  const { planned: before } = plan(vos);
  const { planned: after } = plan(withSchedule(vos, { task: "PerVo", vo: "lhcb" }, "every 9s"), before);
  t.is(after.get("ForAll/_/default"), before.get("ForAll/_/default"));
  t.not(after.get("PerVo/lhcb/default"), before.get("PerVo/lhcb/default"));
});

test("a configured payload is migrated from the version beside it, and without one it must fit the present version", (t) => {
  const migrated = recurring({
    name: "Greet",
    payload: z.strictObject({ names: z.array(z.json()) }),
    payloadVersion: 2,
    migrate: { 1: ({ name = "" }) => ({ names: [name] }) },
  });
  const withPayload = (instance: object): Configuration => ({
    ...vos,
    tasks: { Greet: { instances: { often: { schedule: "every 1h", ...instance } } } },
  });
  const bodies = (instance: object) => {
    const problems: string[] = [];
    const planned = planSchedules(
      { tasks: [migrated], configuration: withPayload(instance), before: NOTHING },
      (_about, cause) => problems.push(String(cause)),
    );
    return { bodies: Array.from(planned.values(), ({ body }) => body), problems };
  };
  const ada = ['{"names":["Ada"]}', '{"names":["Ada"]}'];
  t.deepEqual(bodies({ payload: { name: "Ada" }, payloadVersion: 1 }), { bodies: ada, problems: [] });
  t.deepEqual(bodies({ payload: { names: ["Ada"] }, payloadVersion: 2 }), { bodies: ada, problems: [] });
  t.deepEqual(bodies({ payload: { names: ["Ada"] } }), { bodies: ada, problems: [] });
  t.regex(bodies({ payload: { name: "Ada" } }).problems[0] ?? "", /names: it is missing.*; it was read as version 2/);
  const newer = bodies({ payload: { names: ["Ada"] }, payloadVersion: 3 });
  t.regex(newer.problems[0] ?? "", /it is of version 3, and this program knows version 2; upgrade it/);
});
