import test from "ava";
import * as z from "zod";
import { defineLockType } from "./lock_type.ts";
import { isPeriodic } from "./recurrence.ts";
import { every } from "../calendar/schedule.ts";
import { atLeastOnceFactory } from "./task.ts";

const defineTask = atLeastOnceFactory();
const hourly = every({ hours: 1 });
const payload = z.strictObject({ n: z.number() });
const lockType = defineLockType("recurrence_test");

test("a run of a periodic task holds the mutex of its name and VO, behind the locks of its own", (t) => {
  const own = () => [lockType.mutex("a")];
  const PerVo = defineTask({ name: "PerVo", per: "vo", schedule: hourly, locks: own, execute() {} });
  const keys = (task: { locks(given: never, vo: string): readonly { key: string }[] }, vo: string) =>
    task.locks({} as never, vo).map(({ key }) => key);
  t.deepEqual(keys(PerVo, "vo.cta.in2p3.fr"), ["recurrence_test.a", "periodic.PerVo.vo.cta.in2p3.fr"]);
  t.deepEqual(keys(defineTask({ name: "ForAll", schedule: hourly, execute() {} }), "_"), ["periodic.ForAll"]);
  const instances = { one: { schedule: hourly, payload: { n: 1 } } };
  const Named = defineTask({ name: "Named", per: "vo", payload, instances, execute() {} });
  t.deepEqual(keys(Named, "lhcb"), ["periodic.Named.lhcb"], "all instances share it");
  t.deepEqual(keys(defineTask({ name: "OnDemand", per: "vo", locks: own, execute() {} }), "lhcb"), [
    "recurrence_test.a",
  ]);
  const Replaced = defineTask({ name: "Replaced", schedule: hourly, ownMutex: "replaced", locks: own, execute() {} });
  t.deepEqual(keys(Replaced, "_"), ["recurrence_test.a"]);
});

test("a task is periodic by its schedule or by an instance, and has its policies' defaults", (t) => {
  const OnDemand = defineTask({ name: "OnDemand", execute() {} });
  t.false(isPeriodic(OnDemand));
  t.like(OnDemand, { missed: "last", overlap: "skip", spread: "interval", ownMutex: "held" });
  t.true(isPeriodic(defineTask({ name: "Hourly", schedule: hourly, execute() {} })));
  t.true(isPeriodic(defineTask({ name: "Named", instances: { one: { schedule: hourly } }, execute() {} })));
});

test("a policy that is no word, or a spread that is no length, is refused by name", (t) => {
  const wrong: readonly (readonly [spec: object, told: RegExp])[] = [
    [{ missed: "some" }, /its missed is "some"; give one of last, all, none/],
    [{ overlap: true }, /its overlap is true; give one of skip, allow/],
    [{ ownMutex: "none" }, /its ownMutex is "none"; give one of held, replaced/],
    [{ spread: { minutes: -1 } }, /its spread is \{"minutes":-1\}; give 0 to 366 days/],
    [{ spread: { minutes: Number.NaN } }, /give 0 to 366 days/],
  ];
  for (const [spec, told] of wrong)
    t.throws(() => defineTask({ name: "Wrong", schedule: hourly, ...spec, execute() {} }), { message: told });
});

test("an instance whose name, payload or VOs cannot be is refused where it is defined, by its name", (t) => {
  const many = Object.fromEntries(
    Array.from({ length: 101 }, (_, n) => [`i${n}`, { schedule: hourly, payload: { n } }]),
  );
  const wrong: readonly (readonly [instances: object, told: RegExp])[] = [
    [{ "a b": { schedule: hourly, payload: { n: 1 } } }, /instance "a b": Cannot use "a b" as schedule instance/],
    [{ default: { schedule: hourly, payload: { n: 1 } } }, /that is the name of the task's own `schedule`/],
    [{ one: { schedule: hourly, payload: { n: "1" } } }, /instance "one": .*n: .*expected a number/],
    [{ one: { schedule: hourly } }, /instance "one": .*n: /],
    [{ one: { schedule: hourly, payload: { n: 1 }, vos: ["a b"] } }, /"a b" as VO name/],
    [many, /it has 101 instances; 100 are the limit/],
  ];
  for (const [instances, told] of wrong)
    t.throws(() => defineTask({ name: "Wrong", per: "vo", payload, instances: instances as never, execute() {} }), {
      message: told,
    });
  const forAll = { one: { schedule: hourly, payload: { n: 1 }, vos: ["lhcb"] } };
  t.throws(() => defineTask({ name: "Wrong", payload, instances: forAll, execute() {} }), {
    message: /the task is not per VO; leave `vos` out/,
  });
  const text = z.strictObject({ text: z.string() });
  const large = { one: { schedule: hourly, payload: { text: "x".repeat(16 * 1024) } } };
  t.throws(() => defineTask({ name: "Wrong", payload: text, instances: large, execute() {} }), {
    message: /bytes of JSON; 16384 are the limit/,
  });
  const slow = z.strictObject({ n: z.number().refine(async () => true) });
  const one = { one: { schedule: hourly, payload: { n: 1 } } };
  t.throws(() => defineTask({ name: "Wrong", payload: slow, instances: one, execute() {} }), {
    message: /asynchronous/,
  });
});
