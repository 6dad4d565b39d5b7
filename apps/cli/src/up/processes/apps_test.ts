import { pilotTasks } from "@muster/pilot-tasks";
import test from "ava";
import { planApps } from "./apps.ts";

const namesOf = (tasks: readonly { readonly name: string }[]) => planApps(tasks).map(({ name }) => name);

test("each worker of ours that has one of the tasks runs, and the generic one runs the others", (t) => {
  t.deepEqual(namesOf(pilotTasks), ["scheduler", "submit-worker", "check-worker", "report-worker", "dashboard"]);
  const others = [{ name: "ReadTideTask" }, { name: "OtherTask" }];
  t.deepEqual(namesOf(others), ["scheduler", "worker", "dashboard"]);
  const both = planApps([...pilotTasks, ...others]);
  t.deepEqual(both.at(-2), { name: "worker", environment: { MUSTER_TASKS: "ReadTideTask,OtherTask" } });
  t.is(both.length, 6);
});
