import test from "ava";
import fc from "fast-check";
import { openBroker } from "../lease/open_broker.ts";
import { connectNats } from "../connection/connection.ts";
import { startGrid } from "../schedule/_grid_test.ts";
import { applyPlan, ConfigurationChangedError, planFile } from "./apply_file.ts";
import { changeConfiguration } from "./change_configuration.ts";
import { checkConfiguration } from "./check_configuration.ts";
import { activeVos, type Configuration, withoutVo, withVo } from "./configuration.ts";
import { changesBetween } from "./configuration_changes.ts";
import { checkConfigurationFile, type ConfigurationFile, fileOf, withFile } from "./configuration_file.ts";
import { findConfiguration, readConfiguration } from "./stored_configuration.ts";

const AT = "2027-01-31T12:00:00.000Z";
const LATER = "2027-02-01T12:00:00.000Z";

const length = fc.constantFrom("90s", "10m", "2h", "250ms");
const optional = { requiredKeys: [] };
const retry = fc.record(
  {
    maxRetries: fc.nat(9),
    firstDelay: fc.constantFrom("1s", "250ms"),
    maxDelay: length,
    then: fc.constantFrom("dead", "drop"),
  },
  optional,
);
const rate = fc.constantFrom("100/1m", "5/10s", "unlimited");
const concurrency = fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.constant("unlimited"));
const overrides = {
  rate,
  concurrency,
  enabled: fc.boolean(),
  schedule: fc.constantFrom("every 5s", "cron 0 6 * * * Europe/Zurich"),
  timeout: length,
  priority: fc.constantFrom("realtime", "normal", "background"),
  retry: retry.filter(({ maxDelay }) => maxDelay !== "250ms"),
};
const instance = fc.record(
  {
    schedule: fc.constant("every 2h"),
    payload: fc.dictionary(
      fc.string({ maxLength: 3 }),
      fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.boolean()), fc.record({ a: fc.string() })),
    ),
    vos: fc.array(fc.constant("lhcb")),
  },
  { requiredKeys: ["schedule"] },
);
const instances = fc.dictionary(fc.constantFrom("default", "cern"), instance);
const voName = fc.stringMatching(/^[A-Za-z0-9]{1,3}(\.[a-z0-9]{1,2})?$/);
const taskName = fc.stringMatching(/^[A-Z][A-Za-z0-9_-]{0,3}$/);
const file = fc.record(
  {
    version: fc.constant(1),
    vos: fc.dictionary(
      voName,
      fc.oneof(fc.constant(null), fc.record({ weight: fc.integer({ min: 1, max: 9 }) }, optional)),
    ),
    limits: fc.dictionary(fc.constantFrom("pilot", "pilot.ce01", "site"), fc.record({ rate, concurrency }, optional)),
    tasks: fc.dictionary(
      taskName,
      fc.record(
        { ...overrides, instances, vos: fc.dictionary(voName, fc.record(overrides, optional), { maxKeys: 2 }) },
        optional,
      ),
      { maxKeys: 3 },
    ),
  },
  optional,
);
const configuration = fc.tuple(file, file, fc.boolean()).map(([one, other, isNewer]) => {
  const first = withFile({ vos: {}, tasks: {}, createdAt: AT }, good(one), AT);
  const next = withFile(first, good(other), AT);
  const unknown: unknown = isNewer ? { ...next, quotas: { a: 1 } } : next;
  return stored(unknown);
});

function good(value: unknown): ConfigurationFile {
  const checked = checkConfigurationFile(value);
  if (checked.kind === "good") return checked.file;
  throw new Error(JSON.stringify(checked.problems));
}

function stored(value: unknown): Configuration {
  const checked = checkConfiguration(JSON.stringify(value));
  if (checked.kind === "good") return checked.configuration;
  throw new Error(checked.reason);
}

test("what is shown of any configuration is a good file, and changes nothing where it is applied", (t) => {
  fc.assert(
    fc.property(configuration, (now) => {
      const shown = good(JSON.parse(JSON.stringify(fileOf(now))));
      const next = withFile(now, shown, LATER);
      t.deepEqual(changesBetween(now, next), []);
      t.deepEqual(stored(next).vos, now.vos);
    }),
    { numRuns: 100 },
  );
});

test("after a file is applied, the configuration says what the file says and can be read again, whatever it said before", (t) => {
  fc.assert(
    fc.property(configuration, file, (now, value) => {
      const wanted = good(value);
      const next = stored(withFile(now, wanted, LATER));
      t.deepEqual(new Set(activeVos(next)), new Set(Object.keys(wanted.vos ?? {})));
      t.deepEqual(changesBetween(withFile({ vos: {}, tasks: {} }, wanted, LATER), next), []);
      t.true(Object.keys(next.vos).length > 0 || Object.keys(now.vos).length === 0);
      t.deepEqual(Reflect.get(next, "quotas"), Reflect.get(now, "quotas"));
    }),
    { numRuns: 100 },
  );
});

test("VOs that a file does not name become tombstones, of which old ones are forgotten but never the last", (t) => {
  const now = stored({
    createdAt: AT,
    vos: {
      lhcb: { state: "active", changedAt: AT, weight: 2, quota: 7 },
      cms: { state: "active", changedAt: AT },
      gone: { state: "removed", changedAt: "2027-01-30T12:00:00.000Z" },
      old: { state: "removed", changedAt: "2026-01-01T12:00:00.000Z" },
    },
    tasks: { T: { enabled: false, limit: 3, vos: { lhcb: { timeout: "5m", limit: 4 } } }, U: { schedule: "every 5s" } },
  });
  const next = withFile(now, good({ vos: { cms: { weight: 3 }, gone: null } }), LATER);
  t.deepEqual<unknown, unknown>(JSON.parse(JSON.stringify(next)), {
    createdAt: AT,
    vos: {
      lhcb: { state: "removed", changedAt: LATER, weight: 2, quota: 7 },
      cms: { state: "active", changedAt: AT, weight: 3 },
      gone: { state: "active", changedAt: LATER },
    },
    tasks: { T: { limit: 3, vos: { lhcb: { limit: 4 } } } },
  });
  t.deepEqual(
    changesBetween(now, next).map((change) =>
      change.kind === "changed" ? change.path.join(".") : `${change.kind} ${change.vo}`,
    ),
    [
      "vo added gone",
      "vo removed lhcb",
      "vos.cms.weight",
      "tasks.T.enabled",
      "tasks.T.vos.lhcb.timeout",
      "tasks.U.schedule",
    ],
  );
  const onlyOld = { vos: { old: now.vos["old"] }, tasks: {} };
  t.deepEqual(Object.keys(withFile(stored(onlyOld), good({}), LATER).vos), ["old"]);
});

async function openAnother(url: string) {
  const nc = await connectNats({ url, name: "another operator" });
  return { broker: await openBroker(nc), [Symbol.asyncDispose]: () => nc.close() };
}

test("I42: a file is applied only to the revision from which its difference was seen, and one that says the same writes nothing", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "cms"] });
  const { broker } = grid;
  await using other = await openAnother(grid.url);
  const plan = await planFile(broker, good({ vos: { lhcb: { weight: 2 } } }));
  t.deepEqual(
    plan.changes.map(({ kind }) => kind),
    ["vo removed", "changed"],
  );
  await changeConfiguration(other.broker, (now) => withVo(now, "atlas"));
  const refused = await t.throwsAsync(applyPlan(broker, plan), { instanceOf: ConfigurationChangedError });
  t.is(refused?.revision, plan.found.newest);
  t.deepEqual([...activeVos(await readConfiguration(broker))].sort(), ["atlas", "cms", "lhcb"]);

  const again = await planFile(broker, good({ vos: { lhcb: { weight: 2 } } }));
  const revision = await applyPlan(broker, again);
  const { configuration: now } = await findConfiguration(broker);
  t.deepEqual(activeVos(now), ["lhcb"]);
  t.is(now.vos["atlas"]?.state, "removed");
  const same = await planFile(broker, good(JSON.parse(JSON.stringify(fileOf(now)))));
  t.deepEqual(same.changes, []);
  t.is(await applyPlan(broker, same), revision);
  t.is((await findConfiguration(broker)).newest, revision);
});

test("a file mends a configuration that is broken or gone, and leaves alone one of a newer program", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "cms"] });
  const { broker } = grid;
  await grid.configuration[Symbol.asyncDispose]();
  const apply = async (value: unknown) =>
    await applyPlan(broker, await planFile(broker, good(value), { restoredWithinMs: 0 }));
  const wanted = { vos: { lhcb: null, cms: null } };
  for (const broken of ["garbage", '{"vos":{"lhcb":{"state":"on"}}}', "{}"]) {
    await broker.buckets.config.put("current", broken);
    const revision = await apply(wanted); // it says what the last good one says, and is written all the same
    t.like(await findConfiguration(broker), { revision, problem: undefined });
  }
  await broker.jsm.streams.purge("KV_config");
  await apply(wanted);
  t.deepEqual([...activeVos(await readConfiguration(broker))].sort(), ["cms", "lhcb"]);
  await changeConfiguration(broker, (now) => withoutVo(withoutVo(now, "cms"), "lhcb"));
  await apply({});
  t.is((await findConfiguration(broker)).problem, undefined);
  await broker.buckets.config.put("current", '{"version":2}');
  await t.throwsAsync(apply(wanted), { message: /version 2, and this program knows version 1.*upgrade this program/ });
});
