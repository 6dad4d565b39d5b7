import { atLeastOnceFactory, every } from "@muster/tasks";
import { checkConfigurationFile, type Configuration, type WorkerRecord } from "@muster/tasks/operate";
import test from "ava";
import * as z from "zod";
import { idleOverrides } from "./overrides.ts";

const define = atLeastOnceFactory();
const TickTask = define({ name: "TickTask", per: "vo", schedule: every({ hours: 1 }), execute() {} });
const SiteTask = define({ name: "SiteTask", payload: z.strictObject({ site: z.string() }), execute() {} });
const KNOWN = [TickTask, SiteTask];

function worker(name: string, more: Partial<WorkerRecord> = {}): WorkerRecord {
  return { name, host: "h", pid: 1, startedAt: "2027-01-31T12:00:00Z", tasks: ["TickTask"], permits: 10, ...more };
}

function configured(tasks: Configuration["tasks"]): Configuration {
  return { vos: { lhcb: { state: "active", changedAt: "2027-01-31T12:00:00Z" } }, tasks };
}

test("what can act is not told, and of what cannot each is told with its place and what to do", (t) => {
  const workers = [worker("w1"), worker("w2"), worker("w3", { draining: true })];
  const able = configured({
    TickTask: { schedule: "every 5m", concurrency: 20, vos: { lhcb: { concurrency: 3, enabled: false } } },
    SiteTask: { instances: { a: { schedule: "every 1h", payload: { site: "s" } } } },
  });
  t.deepEqual(idleOverrides(able, workers, KNOWN), []);

  const idle = configured({
    TickTask: {
      concurrency: 21,
      vos: {
        lhcb: { concurrency: 1_000, schedule: "rrule FREQ=DAILY;UNTIL=20200101T000000Z" },
        lhbc: { schedule: "every 5s" },
      },
    },
    SiteTask: { schedule: "every 5m" },
    TickTsk: { enabled: false },
  });
  const told = idleOverrides(
    idle,
    [...workers, worker("w4", { tasks: [], unusable: ["2h is too long; give 1h"] })],
    KNOWN,
  );
  for (const text of [
    /^2h is too long; give 1h$/,
    /^Cannot use instance "default" of SiteTask: .*site.*; give it one under instances\.default\.payload; mend it or take it out with `muster config apply`$/,
    /^vos does not name lhbc, so what TickTask has for it has no effect; did you mean lhcb\?; mend it/,
    /^tasks\.TickTask\.vos\.lhcb\.schedule has ended, so it is never due again; give it a later end/,
    /^neither this program nor a running worker knows task TickTsk, .*did you mean TickTask/,
    /^tasks\.TickTask\.concurrency is 21, and the 2 workers that run TickTask have 20 permits together, so it limits nothing; give fewer, or start more workers$/,
    /^tasks\.TickTask\.vos\.lhcb\.concurrency is 1000, and the 2 workers/,
  ]) {
    t.true(
      told.some((line) => text.test(line)),
      `${text} in\n${told.join("\n")}`,
    );
  }
  t.is(told.length, 7, told.join("\n"));
});

test("of a task that nobody runs, or that runs in threads, no limit is judged by permits", (t) => {
  const LargeTask = define({ name: "LargeTask", size: "large", execute() {} });
  const limited = configured({ TickTask: { concurrency: 50 }, LargeTask: { concurrency: 50 } });
  const workers = [worker("w1", { tasks: ["LargeTask"] })];
  t.deepEqual(idleOverrides(limited, workers, [...KNOWN, LargeTask]), []);
});

test("a limit of 0 is no valid override: it is refused where it is written", (t) => {
  for (const settings of [{ concurrency: 0 }, { rate: "0/1m" }]) {
    t.is(checkConfigurationFile({ tasks: { TickTask: settings } }).kind, "wrong", JSON.stringify(settings));
    t.is(checkConfigurationFile({ limits: { site: settings } }).kind, "wrong", JSON.stringify(settings));
  }
});
