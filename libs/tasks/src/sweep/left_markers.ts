// Tested by libs/tasks/src/schedule/instances_test.ts
import { readMarker } from "../broker/marker.ts";
import { purgeStoredUpTo } from "../broker/stored_messages.ts";
import { isNamed } from "../due/instances.ts";
import { SWITCHED_OFF } from "../due/planned_schedule.ts";
import { parseLongSubject } from "../format/subject.ts";
import { TASKS } from "../streams/streams.ts";
import type { SweepContext } from "./sweep_context.ts";
import type { SweepRules } from "./sweep_verdict.ts";

/** Greatest number of leftovers that one pass reads. */
const AT_ONCE = 32;

/**
 * Looks at markers whose task and VO are there, for those that no schedule has. One that is switched off is deleted, as long as it is the newest.
 * `keepSchedules` hears of others.
 */
export async function lookForLeft(
  { broker, charges, left }: SweepContext,
  subjects: readonly string[],
  { configuration, tasks }: SweepRules,
): Promise<void> {
  const unnamed = subjects.flatMap((subject) => {
    const { task: name, vo, last: instance } = parseLongSubject(subject);
    const task = tasks.get(name);
    // Another version of the task may know the instance, so its leader judges.
    if (task === undefined || !charges.led.has(name)) return [];
    return isNamed({ task, vo, instance, configuration }) ? [] : [{ subject, name: { task: name, vo, instance } }];
  });
  for (const { subject, name } of unnamed.slice(0, AT_ONCE)) {
    const marker = await readMarker(broker, subject);
    if (marker === undefined) continue;
    if (marker.schedule !== SWITCHED_OFF) {
      left?.found(name);
      continue;
    }
    await purgeStoredUpTo(broker, TASKS, { subject, sequence: marker.sequence });
    left?.forget(name);
  }
}
