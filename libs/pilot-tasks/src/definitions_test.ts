import { PilotSubmissionError, VoName } from "@muster/logic";
import { defineLockType, InvalidNameError, LockTypeTakenError, lockTypeNames } from "@muster/tasks";
import { checkVoName } from "@muster/tasks/operate";
import test from "ava";
import * as face from "./mod.ts";
import {
  MyCheckPilotsTask,
  MyPilotReportTask,
  MyPilotTask,
  MySubmitPilotsTask,
  myPilotLock,
  extension as pilots,
} from "./mod.ts";

/** What a payload becomes, or the issues that a schema has with it. */
async function validate(payload: unknown) {
  return MyPilotTask.payload["~standard"].validate(payload);
}

test("the lock type my_pilot is registered, and a second registration is refused and names the first", (t) => {
  t.true(lockTypeNames().includes("my_pilot"));
  const error = t.throws(() => defineLockType("my_pilot"), { instanceOf: LockTypeTakenError });
  t.is(error?.lockType, "my_pilot");
  t.regex(error?.firstAt ?? "", /lock_types\.ts/);
});

test("the extension has each task and each lock type that the package exports", (t) => {
  const tasks = Object.entries(face).filter(([name]) => name.endsWith("Task"));
  const lockTypes = Object.entries(face).filter(([name]) => name.endsWith("Lock"));
  t.true(tasks.length >= 4 && lockTypes.length >= 1);
  t.deepEqual(new Set<unknown>(pilots.tasks), new Set<unknown>(tasks.map(([, task]) => task)));
  t.deepEqual(new Set<unknown>(pilots.lockTypes), new Set<unknown>(lockTypes.map(([, lockType]) => lockType)));
});

test("the pilot task's payload is its CE's name, and nothing else", async (t) => {
  t.deepEqual(await validate({ ceName: "ce01.cern.ch:9619/condor" }), {
    value: { ceName: "ce01.cern.ch:9619/condor" },
  });
  for (const bad of [{}, { ceName: 1 }, { ceName: "a b" }, { ceName: "ce01", vo: "lhcb" }, [], null]) {
    t.truthy((await validate(bad)).issues, JSON.stringify(bad));
  }
});

test("the pilot task is per VO, on demand, normal and small, and a failed submission is neither retried nor kept", (t) => {
  const { per, recurrence, priority, size, retry, effect } = MyPilotTask;
  t.like({ per, recurrence, priority, size, effect }, { per: "vo", priority: "normal", size: "small", effect: "once" });
  t.is(recurrence, undefined);
  const error = new PilotSubmissionError("ce01", "lhcb");
  t.deepEqual(retry.decide({ error, attempt: 1 }), { kind: "drop" });
});

test("the pilot task holds exactly one mutex, of its type and its CE: different CEs, different locks", (t) => {
  const locksOf = (ceName: string, vo: string) => MyPilotTask.locks({ ceName }, vo);
  t.deepEqual(locksOf("ce01.example.org", "lhcb"), [{ kind: "mutex", key: "my_pilot.ce01.example.org" }]);
  t.deepEqual(locksOf("ce01.example.org", "atlas"), locksOf("ce01.example.org", "lhcb"));
  t.deepEqual(locksOf("CE01.Example.ORG", "lhcb"), locksOf("ce01.example.org", "lhcb"), "one host");
  t.notDeepEqual(locksOf("ce02.example.org", "lhcb"), locksOf("ce01.example.org", "lhcb"));
  t.is(myPilotLock.mutex("ce01.cern.ch:9619/condor").key, "my_pilot.ce01.cern.ch=3A9619/condor");
});

test("the report is for all VOs, every full hour in UTC, and its mutex is of its class", (t) => {
  t.is(MyPilotReportTask.per, "all");
  t.deepEqual(MyPilotReportTask.recurrence, { kind: "cron", expression: "0 * * * *", timeZone: "UTC" });
  t.deepEqual(MyPilotReportTask.locks({}, "_"), [{ kind: "mutex", key: "periodic.MyPilotReportTask" }]);
});

for (const [definition, intervalMs] of [
  [MyCheckPilotsTask, 30_000],
  [MySubmitPilotsTask, 60_000],
] as const) {
  test(`${definition.name} runs every ${intervalMs / 1000} s, and its lock names the VO: different VOs, different locks`, (t) => {
    t.is(definition.per, "vo");
    t.deepEqual(definition.recurrence, { kind: "interval", intervalMs });
    t.deepEqual(definition.locks({}, "vo.cta.in2p3.fr"), [
      { kind: "mutex", key: `periodic.${definition.name}.vo.cta.in2p3.fr` },
    ]);
    t.notDeepEqual(definition.locks({}, "lhcb"), definition.locks({}, "atlas"));
  });
}

test("a VO that a CE may be limited to is one that a task can carry, and the other way round", (t) => {
  const names = [
    "lhcb",
    "vo.cta.in2p3.fr",
    "a_b-c",
    "1",
    "",
    "_",
    "_a",
    "-a",
    ".a",
    "a.",
    "a..b",
    "a.-b",
    "a b",
    "ü",
    "a:b",
  ];
  for (const name of [...names, "a".repeat(128), "a".repeat(129)]) {
    if (VoName.safeParse(name).success) t.is(checkVoName(name), name);
    else t.throws(() => checkVoName(name), { instanceOf: InvalidNameError }, name);
  }
});
