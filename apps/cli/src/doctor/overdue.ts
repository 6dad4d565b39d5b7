// Tested by tests/src/apps/overdue_test.ts
import { escapeControls } from "@muster/service";
import type { Broker } from "@muster/tasks";
import { listOverdue, measureClock, type OverdueSchedule, readConfiguration } from "@muster/tasks/operate";
import { setTimeout as pause } from "node:timers/promises";
import { count } from "../print/output.ts";
import { knownTasks } from "../run/extensions.ts";
import { bad, type Finding, good } from "./finding.ts";

const ABOUT = "schedules";
/** Largest number of schedules that are named. The others are counted. */
const NAMED = 10;
/** For how long a schedule is looked at again that has not fired, and how often, ms. A scheduler that was away fires all within seconds. */
const PATIENCE_MS = 5_000;
const AGAIN_MS = 1_000;

const keyOf = ({ task, vo, instance }: OverdueSchedule) => `${task}/${vo}/${instance}`;

function describe(overdue: OverdueSchedule): string {
  const { task, dueSince, leader, why } = overdue;
  const said = why ?? `${leader} does not say why; see its /readyz and its log`;
  return `${keyOf(overdue)} has been due since ${dueSince.toISOString()}, and ${leader}, which leads it, does not fire it: ${said}; \`muster schedule pause ${task}\` holds it until then`;
}

/** The schedules that do not fire, and still do not some seconds later. */
async function findOverdue(broker: Broker): Promise<readonly OverdueSchedule[]> {
  const [tasks, configuration] = await Promise.all([knownTasks(), readConfiguration(broker)]);
  const until = performance.now() + PATIENCE_MS;
  let found: ReadonlyMap<string, OverdueSchedule> | undefined;
  for (;;) {
    const now = Date.now() - (await measureClock(broker));
    const seen = await listOverdue(broker, { tasks, configuration, now });
    // One that fires now and then is late, and no more.
    const still = seen.filter((each) => {
      const before = found?.get(keyOf(each));
      return found === undefined || before?.dueSince.getTime() === each.dueSince.getTime();
    });
    found = new Map(still.map((each) => [keyOf(each), each]));
    // What the leader itself says needs no second look.
    if (still.every(({ why }) => why !== undefined) || performance.now() > until) return still;
    await pause(AGAIN_MS);
  }
}

/** Reports schedules that a running scheduler leads and does not fire. */
export async function examineOverdue(broker: Broker): Promise<readonly Finding[]> {
  const found = await findOverdue(broker);
  if (found.length === 0) return [good(ABOUT, "each that is led fires")];
  const named = found.slice(0, NAMED).map((each) => bad(ABOUT, escapeControls(describe(each))));
  const more = found.length - named.length;
  return more === 0
    ? named
    : [...named, bad(ABOUT, `${count(more, "more")} do not fire; see \`muster schedule list\``)];
}
