// Tested by libs/tasks/src/schedule/overdue_test.ts
// Tested by tests/src/apps/overdue_test.ts
import * as z from "zod";
import type { Broker } from "../broker/broker.ts";
import { readMarker } from "../broker/marker.ts";
import type { Configuration } from "../configuration/configuration.ts";
import type { AnyTask } from "../definition/task.ts";
import { InvalidNameError } from "../format/names.ts";
import { markerSubject } from "../format/subject.ts";
import { isTaskCharge } from "../lead/charges.ts";
import { inParallel } from "../lead/in_parallel.ts";
import { findLeaders } from "../lead/leaders.ts";
import { doesNotFire, scheduleTable } from "./schedule_table.ts";

/** Number of keys and markers that are read at the same time. */
const AT_ONCE = 32;
/** Greatest number of schedules whose markers are looked at. */
const LOOKED_AT = 200;

/** What a leader shows of the schedules of one task that it leads and that do not fire. */
const Shown = z.object({
  schedules: z.array(
    z.object({
      vo: z.string(),
      instance: z.string(),
      dueSince: z.iso.datetime().optional(),
      why: z.string().optional(),
    }),
  ),
});

/** A schedule that a running scheduler leads and does not fire. */
export interface OverdueSchedule {
  readonly task: string;
  /** The VO's name, or `_`. */
  readonly vo: string;
  readonly instance: string;
  /** The first time after the last occurrence. */
  readonly dueSince: Date;
  readonly leader: string;
  /** Why it does not come and what to do, in the leader's words; undefined: the leader does not say. */
  readonly why: string | undefined;
}

/** Which schedules are looked at, beside those of which their leader says that they do not fire. */
export interface OverdueOptions {
  readonly tasks: readonly AnyTask[];
  readonly configuration: Configuration;
  /** ms since the epoch, by the broker's clock. */
  readonly now: number;
}

const keyOf = ({ task, vo, instance }: Pick<OverdueSchedule, "task" | "vo" | "instance">) =>
  `${task}/${vo}/${instance}`;

/** What the leader of a task shows in the bucket `schedules`. It may be some seconds old. */
async function shownBy(broker: Broker, task: string, leader: string): Promise<readonly OverdueSchedule[]> {
  const entry = await broker.buckets.schedules.get(`next.${task}`);
  if (entry?.operation !== "PUT") return [];
  const read = Shown.safeParse(parsed(entry.string()));
  return (read.data?.schedules ?? []).flatMap(({ vo, instance, dueSince, why }) =>
    dueSince === undefined ? [] : [{ task, vo, instance, dueSince: new Date(dueSince), leader, why }],
  );
}

/** Where its marker is; undefined: its names are none, so somebody has written them by hand. */
function markerOf({ task, vo, instance }: OverdueSchedule): string | undefined {
  try {
    return markerSubject({ task, vo }, instance);
  } catch (error) {
    if (error instanceof InvalidNameError) return undefined;
    throw error;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // somebody has written there by hand
  }
}

/** Whether no occurrence has come since. */
async function stillOverdue(broker: Broker, overdue: OverdueSchedule): Promise<boolean> {
  const subject = markerOf(overdue);
  const marker = subject === undefined ? undefined : await readMarker(broker, subject);
  return marker?.dueAt !== undefined && marker.dueAt < overdue.dueSince.getTime();
}

/**
 * Lists the schedules that a running scheduler leads and does not fire. Their leader says so, also of those of other applications. Of `tasks` those
 * are listed as well whose time has passed. Not those that are paused, off or just added, or whose last occurrence still waits or runs.
 *
 * Throws when nobody answers.
 */
export async function listOverdue(broker: Broker, options: OverdueOptions): Promise<readonly OverdueSchedule[]> {
  const { leaders } = await findLeaders(broker);
  const led = [...leaders].filter(([charge]) => isTaskCharge(charge));
  const shown = (await inParallel(led, AT_ONCE, ([task, leader]) => shownBy(broker, task, leader))).flat();
  const rows = await scheduleTable(broker, options);
  // What a leader shows may be some seconds old.
  const held = new Set(rows.filter(({ state, isOccupied }) => state !== "on" || isOccupied).map(keyOf));
  const asked = shown.filter((each) => !held.has(keyOf(each))).slice(0, LOOKED_AT);
  const stay = await inParallel(asked, AT_ONCE, (each) => stillOverdue(broker, each));
  const said = new Map(asked.flatMap((each, index) => (stay[index] === true ? [[keyOf(each), each]] : [])));
  const unsaid = rows.flatMap((row): OverdueSchedule[] => {
    const { task, vo, instance, dueSince, leader } = row;
    if (dueSince === null || leader === null || said.has(keyOf(row)) || !doesNotFire(row, options.now)) return [];
    return [{ task, vo, instance, dueSince, leader, why: undefined }];
  });
  return [...said.values(), ...unsaid];
}
