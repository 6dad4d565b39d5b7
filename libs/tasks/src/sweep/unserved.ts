// Tested by libs/tasks/src/lead/shared_lead_test.ts
import type { Broker } from "../broker/broker.ts";
import { readMarker } from "../broker/marker.ts";
import { checkTaskName, InvalidNameError } from "../format/names.ts";
import { parseLongSubject } from "../format/subject.ts";
import { TASKS } from "../streams/streams.ts";
import type { Charges } from "../lead/charges.ts";
import { SWITCHED_OFF } from "../due/planned_schedule.ts";
import type { Reporter } from "../lead/reporter.ts";

/** A task that fired under a scheduler, and that no running scheduler leads now. */
export interface UnservedTask {
  readonly task: string;
  /** Number of its schedules that are not switched off, one for each VO. */
  readonly schedules: number;
  /** The one of them that has not fired for the longest time, as its marker names it; undefined: no marker tells. */
  readonly longest: { readonly key: string; readonly lastAt: Date } | undefined;
}

/** Greatest number of markers that are read of one task, and of tasks that are looked at. */
const READ = 20;
const LOOKED_AT = 50;
/** Time that a scheduler may take to come back before its absence is reported, ms. A restart is not reported. */
const GRACE_MS = 20_000;

function isTaskName(name: string): boolean {
  try {
    checkTaskName(name);
    return true;
  } catch (error) {
    if (error instanceof InvalidNameError) return false; // not a task of Muster; the sweep puts the message away
    throw error;
  }
}

/** The schedules of a task that are not switched off: read from up to 20 markers, of more all count. */
async function readOn(
  broker: Pick<Broker, "jsm">,
  subjects: readonly string[],
): Promise<Pick<UnservedTask, "schedules" | "longest">> {
  const read = subjects.slice(0, READ);
  const markers = await Promise.all(read.map((subject) => readMarker(broker, subject)));
  const on = markers.flatMap((marker, index) =>
    marker === undefined || marker.schedule === SWITCHED_OFF ? [] : [{ subject: read[index] ?? "", ...marker }],
  );
  const longest = on.reduce<UnservedTask["longest"]>((before, { subject, dueAt }) => {
    if (dueAt === undefined || (before !== undefined && before.lastAt.getTime() <= dueAt)) return before;
    return { key: keyOf(subject), lastAt: new Date(dueAt) };
  }, undefined);
  return { schedules: subjects.length > READ ? subjects.length : on.length, longest };
}

/** `<Task>/<vo>/<instance>`; the subject itself where somebody else wrote it. */
function keyOf(subject: string): string {
  try {
    const { task, vo, last } = parseLongSubject(subject);
    return `${task}/${vo}/${last}`;
  } catch {
    return subject;
  }
}

/** The tasks that have markers and are not `led`. Throws when nobody answers. */
export async function listUnserved(
  broker: Pick<Broker, "jsm">,
  isLed: (task: string) => boolean,
): Promise<readonly UnservedTask[]> {
  const { state } = await broker.jsm.streams.info(TASKS, { subjects_filter: "markers.>" });
  const byTask = Map.groupBy(Object.keys(state.subjects ?? {}), (subject) => subject.split(".", 2)[1] ?? "");
  const unserved: UnservedTask[] = [];
  for (const [task, subjects] of [...byTask].filter(([name]) => isTaskName(name) && !isLed(name)).slice(0, LOOKED_AT)) {
    const found = await readOn(broker, subjects);
    if (found.schedules > 0) unserved.push({ task, ...found });
  }
  return unserved;
}

/** Reports tasks whose schedules no longer fire, since nobody leads them. */
export interface UnservedWatch {
  look(): Promise<void>;
}

export function createUnservedWatch(
  { broker, charges, report }: { broker: Broker; charges: Charges; report: Reporter },
  graceMs = GRACE_MS,
): UnservedWatch {
  /** Since when each task has had no leader, by the monotonic clock, ms. */
  const since = new Map<string, number>();
  return {
    async look() {
      const unserved = await listUnserved(broker, (task) => charges.led.has(task) || charges.elsewhere.has(task));
      const now = performance.now();
      for (const task of since.keys()) if (!unserved.some((one) => one.task === task)) since.delete(task);
      for (const { task, schedules } of unserved) {
        const sinceMs = since.get(task) ?? now;
        since.set(task, sinceMs);
        if (now - sinceMs < graceMs) continue;
        const what = `No running scheduler leads ${task}: its ${schedules} schedules do not fire`;
        report.alarm(`unserved ${task}`, `${what}; start a scheduler that knows it`, { task, schedules });
      }
    },
  };
}
