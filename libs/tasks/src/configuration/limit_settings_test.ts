import test from "ava";
import { defineLockType } from "../definition/lock_type.ts";
import { checkConfiguration } from "./check_configuration.ts";
import type { Configuration } from "./configuration.ts";
import { limitsInForce } from "./limits_in_force.ts";

const site = defineLockType("limit_settings_site");

/** Reads a configuration that must be good. */
function read(document: object): Configuration {
  const checked = checkConfiguration(JSON.stringify(document));
  if (checked.kind !== "good" || checked.unknown.length > 0) throw new Error(JSON.stringify(checked));
  return checked.configuration;
}

test("a limit that cannot be is refused with its field, the value and the form that is right", (t) => {
  const wrong: readonly (readonly [object, string, RegExp])[] = [
    [{ limits: { site: { rate: "100 per minute" } } }, "limits.site.rate", /"100 per minute".*<count>\/<time>/],
    [{ limits: { "site.ce01": { concurrency: 0 } } }, "limits.site.ce01.concurrency", /./],
    [{ limits: { "Site!": { rate: "1/1s" } } }, "limits.Site!", /<lock type>/],
    [{ limits: { "site.*": { rate: "1/1s" } } }, "limits.site.*", /no pattern.*<lock type> alone/],
    [{ limits: { "site.>": { rate: "1/1s" } } }, "limits.site.>", /no pattern/],
    [{ tasks: { MyPilotTask: { rate: 5 } } }, "tasks.MyPilotTask.rate", /expected a text/],
    [
      { tasks: { MyPilotTask: { vos: { lhcb: { concurrency: "many" } } } } },
      "tasks.MyPilotTask.vos.lhcb.concurrency",
      /./,
    ],
  ];
  for (const [document, field, reason] of wrong) {
    const checked = checkConfiguration(JSON.stringify(document));
    t.like(checked, { kind: "broken", field });
    t.regex("reason" in checked ? checked.reason : "", reason);
  }
});

/** Limits that follow a configuration which the test sets. */
function openLimits() {
  let current = read({});
  let changed = () => {};
  const limits = limitsInForce({
    get current() {
      return current;
    },
    onChange(listener) {
      changed = () => listener(current);
      return () => {};
    },
  });
  const set = (document: object) => {
    current = read(document);
    changed();
  };
  return { limits, set };
}

test("a limit is in force for its key as the definition has it, whatever characters that has, and as the list of locks shows it", (t) => {
  const { limits, set } = openLimits();
  for (const key of ["ce05.example.org:9619/condor", "site a", "a..b", "ü", "a=3Ab", "x=y"]) {
    const limiter = site.concurrency(key, 4);
    set({ limits: { [`limit_settings_site.${key}`]: { concurrency: 1 } } });
    t.deepEqual(limits.limitOf(limiter), { concurrency: 1 }, key);
    set({ limits: { [limiter.key.replace("_concurrency.", "")]: { concurrency: 2 } } });
    t.deepEqual(limits.limitOf(limiter), { concurrency: 2 }, key);
  }
});

test("the limit of a key goes before that of its lock type, and both before the one that a definition states", (t) => {
  const { limits, set } = openLimits();
  let changes = 0;
  limits.onChange(() => changes++);
  const [rate, other] = [site.rate("ce01", "1/1s"), site.rate("ce02", "1/1s")];
  t.deepEqual(limits.limitOf(rate), { rate: { count: 1, perMs: 1_000 } });
  set({ limits: { limit_settings_site: { rate: "2/1s" }, "limit_settings_site.ce01": { rate: "unlimited" } } });
  t.is(limits.limitOf(rate), undefined);
  t.deepEqual(limits.limitOf(other), { rate: { count: 2, perMs: 1_000 } });
  t.deepEqual(limits.limitOf(site.concurrency("ce02", 7)), { concurrency: 7 });
  t.deepEqual(limits.ofTask("MyPilotTask", "lhcb"), []);

  set({ tasks: { MyPilotTask: { rate: "5/1s", vos: { "vo.cta": { concurrency: 3 } } } } });
  t.deepEqual(
    limits.ofTask("MyPilotTask", "vo.cta").map(({ key }) => key),
    ["_rate._task.MyPilotTask", "_concurrency._task.MyPilotTask.vo.cta"],
  );
  t.is(limits.ofTask("MyPilotTask", "lhcb").length, 1);
  t.is(changes, 2);
  set({ vos: {}, tasks: { MyPilotTask: { rate: "5/1s", enabled: true, vos: { "vo.cta": { concurrency: 3 } } } } });
  t.is(changes, 2); // no limit has changed
});
