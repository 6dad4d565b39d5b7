import test from "ava";
import { checkConfiguration } from "./check_configuration.ts";

const at = "2027-01-31T12:00:00.000Z";
const print = (value: unknown) => JSON.stringify(value);
const lhcb = { state: "active", changedAt: at };

test("what cannot be used is named by its field and value, whatever it is", (t) => {
  const cases: readonly (readonly [text: string, field: string, reason: RegExp])[] = [
    ["garbage", "", /it is no JSON: "garbage"/],
    ["", "", /it is no JSON/],
    ["null", "", /expected an object/],
    ["[]", "", /expected an object/],
    [print({ vos: "none" }), "vos", /expected an object/],
    [print({ vos: { lhcb: { ...lhcb, state: "on" } } }), "vos.lhcb.state", /"active", "removed"/],
    [print({ vos: { lhcb: { ...lhcb, weight: 0 } } }), "vos.lhcb.weight", /at least 1/],
    [print({ vos: { lhcb: { ...lhcb, weight: 1_001 } } }), "vos.lhcb.weight", /at most 1000/],
    [print({ vos: { lhcb: { state: "active", changedAt: "yesterday" } } }), "vos.lhcb.changedAt", /no time/],
    [print({ vos: { lhcb: {} } }), "vos.lhcb.state", /expected/],
    [print({ vos: { "a b": lhcb } }), "vos.a b", /"a b" as VO name: it holds " "/],
    [print({ tasks: { "2bad": {} } }), "tasks.2bad", /"2bad" as task name/],
    [print({ tasks: { T: { enabled: "no" } } }), "tasks.T.enabled", /expected true or false/],
    [print({ tasks: { T: { schedule: "evry 5s" } } }), "tasks.T.schedule", /none of "every", "cron" and "rrule"/],
    [print({ tasks: { T: { vos: { lhcb: { schedule: "cron 61 * * * *" } } } } }), "tasks.T.vos.lhcb.schedule", /61/],
    [print({ tasks: { T: { vos: { "a/b": {} } } } }), "tasks.T.vos.a/b", /"a\/b" as VO name/],
    [print({ tasks: { T: { timeout: "soon" } } }), "tasks.T.timeout", /no length of time from 1ms to 1d/],
    [print({ tasks: { T: { timeout: 600 } } }), "tasks.T.timeout", /expected a text, found a number/],
    [print({ tasks: { T: { timeout: "25h" } } }), "tasks.T.timeout", /no length of time from 1ms to 1d/],
    [print({ tasks: { T: { priority: "high" } } }), "tasks.T.priority", /"realtime", "normal", "background"/],
    [print({ tasks: { T: { retry: { maxRetries: -1 } } } }), "tasks.T.retry.maxRetries", /at least 0/],
    [print({ tasks: { T: { retry: { firstDelay: "1h" } } } }), "tasks.T.retry", /firstDelay is longer than maxDelay/],
    [
      print({ tasks: { T: { vos: { lhcb: { retry: { then: "no" } } } } } }),
      "tasks.T.vos.lhcb.retry.then",
      /"dead", "drop"/,
    ],
  ];
  for (const [text, field, reason] of cases) {
    const checked = checkConfiguration(text);
    if (checked.kind !== "broken") return t.fail(`${text} is ${checked.kind}`);
    t.is(checked.field, field, text);
    t.regex(checked.reason, reason);
  }
  t.like(checkConfiguration(print({ version: 2, form: "another" })), { kind: "newer", field: "version" });
});

test("fields that only a newer version knows are kept and named, and have no effect", (t) => {
  const value = {
    ...{ version: 1, createdAt: at, quotas: {} },
    vos: { lhcb: { ...lhcb, weight: 2, quota: 7 } },
    tasks: { T: { schedle: "every 5s", retry: { jitter: 1 }, vos: { lhcb: { enabled: false, limit: 1 } } } },
  };
  const checked = checkConfiguration(print(value));
  if (checked.kind !== "good") return t.fail(checked.reason);
  t.deepEqual(checked.unknown, [
    ...["quotas", "vos.lhcb.quota", "tasks.T.schedle", "tasks.T.retry.jitter", "tasks.T.vos.lhcb.limit"],
  ]);
  const read: unknown = checked.configuration;
  t.deepEqual(read, value);
  t.deepEqual(checkConfiguration("{}"), { kind: "good", configuration: { vos: {}, tasks: {} }, unknown: [] });
});
