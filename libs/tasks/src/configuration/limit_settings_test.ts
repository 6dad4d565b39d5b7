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
    [{ tasks: { MyPilotTask: { rate: 5 } } }, "tasks.MyPilotTask.rate", /string/],
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

test("the limit of a key goes before that of its lock type, and both before the one that a definition states", (t) => {
  let current = read({});
  let changed = () => {};
  let changes = 0;
  const limits = limitsInForce({
    get current() {
      return current;
    },
    onChange(listener) {
      changed = () => listener(current);
      return () => {};
    },
  });
  limits.onChange(() => changes++);
  const set = (document: object) => {
    current = read(document);
    changed();
  };
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
