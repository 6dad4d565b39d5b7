// Tested by libs/tasks/src/schedule/keep_schedules_test.ts
// Tested by libs/tasks/src/schedule/once_test.ts
import type { Broker } from "../broker/broker.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { isConflict, TASKS } from "../streams/streams.ts";
import type { Agenda, Entry } from "../due/agenda.ts";
import { BATCH_LIMIT, publishAtomically } from "../broker/atomic_batch.ts";
import type { BrokerClock } from "../lead/broker_clock.ts";
import { nextDue } from "../due/due.ts";
import { inParallel } from "../lead/in_parallel.ts";
import { setTimeout as pause } from "node:timers/promises";
import { readMarkers } from "./read_markers.ts";
import { nextStep } from "../due/next_step.ts";
import { isOccurrenceOf, type Occupancy } from "./occupancy.ts";
import type { Pauses } from "./pauses.ts";
import type { Reporter } from "../lead/reporter.ts";
import { markerAfter, messagesOf, type ScheduleWrite } from "./schedule_write.ts";
import { putAway } from "../sweep/put_away.ts";
import type { SweepLedger } from "../sweep/unwanted.ts";
import { nextStored } from "../broker/stored_messages.ts";

/** A schedule whose last occurrence still waits or runs, or that is paused, is looked at again after so long, ms. */
const BLOCKED_MS = 500;
const PAUSED_MS = 1_000;
/** After a failed write, ms: this, twice, four times as long, up to the longest. */
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 3_000;
/** Batches under way. The server keeps 50 a stream, for all who publish. */
const BATCHES_AT_ONCE = 4;
const DROPS_AT_ONCE = 32;
/** Longest wait of a round for the ledger, before an occurrence goes that a worker may have in hand, ms. */
const LEDGER_MS = 1_000;

export interface RoundContext {
  readonly broker: Broker;
  readonly worker: string;
  readonly clock: BrokerClock;
  readonly agenda: Agenda;
  readonly pauses: Pauses;
  readonly occupancy: Occupancy;
  readonly report: Reporter;
  /** The ledger that must hear first where a task's occurrence is put away; `none` need, or there is none that could. */
  custodyOf(task: string): SweepLedger | "none need" | "left alone";
}

/** How long a schedule rests after `failures` failures in a row. */
export function backoffMs(failures: number): number {
  return Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures - 1, 10)) * (0.5 + Math.random() / 2);
}

async function readUnread({ broker }: RoundContext, entries: readonly Entry[]): Promise<void> {
  const unread = entries.filter(({ stored }) => stored === "unread");
  const markers = await readMarkers(
    broker,
    unread.map(({ planned }) => planned.markerSubject),
  );
  for (const [index, entry] of unread.entries()) entry.stored = markers[index];
}

/** What is to be written now; the others are put back on the agenda. */
function writesFor({ agenda, clock, report }: RoundContext, entries: readonly Entry[]): ScheduleWrite[] {
  const now = clock.now();
  return entries.flatMap((entry) => {
    const { planned, stored } = entry;
    const step = nextStep(planned, stored === "unread" ? undefined : stored, now);
    if (step.kind === "rest") {
      agenda.put(entry, step.untilAt);
      return [];
    }
    if (step.kind === "restart" && (step.reason === "ahead of the clock" || step.reason === "unreadable")) {
      report.alarm(
        `marker ${planned.key}`,
        `The marker of schedule ${planned.key} was ${step.reason} and is set to now`,
        { stored },
      );
    }
    return [{ entry, step }];
  });
}

/** Leaves out occurrences of schedules whose last one is not over; the newest one due is tried again when it is. */
async function withoutBlocked(
  { agenda, clock, occupancy }: RoundContext,
  writes: readonly ScheduleWrite[],
): Promise<ScheduleWrite[]> {
  const last = writes.flatMap(({ entry: { planned, stored }, step }) =>
    step.kind === "publish" && stored !== undefined && stored !== "unread"
      ? [{ planned, message: stored.message }]
      : [],
  );
  const blocked = await occupancy.look(last);
  return writes.filter(({ entry, step }) => {
    if (step.kind === "restart" || !blocked.has(entry.planned.key)) return true;
    agenda.put(entry, clock.now() + BLOCKED_MS);
    return false;
  });
}

/** Groups that fit into one batch each. What has been refused before goes alone, so that one schedule cannot hold up others. */
function groupsOf(writes: readonly ScheduleWrite[]): ScheduleWrite[][] {
  const alone = writes.filter(({ entry }) => entry.isAlone);
  const together = writes.filter(({ entry }) => !entry.isAlone);
  const groups = alone.map((write) => [write]);
  for (let at = 0; at < together.length; at += BATCH_LIMIT / 2) groups.push(together.slice(at, at + BATCH_LIMIT / 2));
  return groups;
}

/**
 * A schedule was switched off: its occurrence that waits is not wanted any more. It goes first, since the marker then says that all is done.
 *
 * A worker may have it in hand, so the ledger hears before it goes. A ledger that is silent holds up no schedules: the occurrence goes
 * once it answers, or else runs.
 */
async function dropWaiting(context: RoundContext, { entry: { planned }, step }: ScheduleWrite): Promise<void> {
  if (step.kind !== "restart" || step.reason !== "switched off" || step.message === 0) return;
  const { broker, worker, report } = context;
  const { task, vo, taskSubject: subject, key } = planned;
  const stored = await nextStored(broker.jsm, TASKS, { from: step.message, subject });
  if (stored?.seq !== step.message || !isOccurrenceOf(planned, stored)) return;
  const custody = context.custodyOf(task);
  const stays = (cause?: unknown) => {
    const text = `The last occurrence of ${key}, which was switched off, runs yet: no ledger has heard that it is not wanted`;
    report.note(`off ${key}`, text, { cause });
  };
  if (custody === "left alone") return stays();
  const ledger = custody === "none need" ? undefined : custody;
  const reason = "its schedule was switched off";
  const gone = putAway(broker, worker, { stream: TASKS, stored, end: "dropped", reason, task, vo, ledger });
  if (ledger === undefined) await gone;
  else await Promise.race([gone.catch(stays), pause(LEDGER_MS, undefined, { ref: false })]);
}

function noteStored({ agenda }: RoundContext, group: readonly ScheduleWrite[], firstSequence: number): void {
  let sequence = firstSequence;
  for (const write of group) {
    const { entry, step } = write;
    entry.stored = markerAfter(write, sequence);
    entry.failures = 0;
    entry.isAlone = false;
    sequence += step.kind === "publish" ? 2 : 1;
    const { schedule, offsetMs } = entry.planned;
    agenda.put(entry, schedule === undefined ? Number.POSITIVE_INFINITY : nextDue({ schedule, offsetMs }, step.dueAt));
  }
}

/** Nothing was stored, or nobody knows: the markers are read again, and tell. */
function refused({ agenda, clock, report }: RoundContext, group: readonly ScheduleWrite[], cause: unknown): void {
  for (const { entry } of group) {
    entry.stored = "unread";
    entry.failures++;
    entry.isAlone = !isSilence(cause);
    // A first conflict means that another leader was faster, or one schedule of many: what its marker says counts at once.
    const waitMs = isConflict(cause) && entry.failures === 1 ? 0 : backoffMs(entry.failures);
    agenda.put(entry, clock.now() + waitMs);
  }
  const [first] = group;
  if (isConflict(cause) || isSilence(cause) || group.length > 1 || first === undefined) return;
  report.alarm(`publish ${first.entry.planned.key}`, `Cannot publish an occurrence of ${first.entry.planned.key} yet`, {
    cause,
  });
}

async function publishGroup(context: RoundContext, group: readonly ScheduleWrite[]): Promise<void> {
  const { broker, agenda, clock, pauses } = context;
  await pauses.refresh();
  const wanted = group.filter(({ entry, step }) => {
    if (!agenda.isCurrent(entry)) return false;
    if (step.kind === "restart" || !pauses.isPaused(entry.planned)) return true;
    agenda.put(entry, clock.now() + PAUSED_MS);
    return false;
  });
  if (wanted.length === 0) return;
  let firstSequence: number;
  try {
    firstSequence = await publishAtomically(broker, wanted.flatMap(messagesOf));
  } catch (cause) {
    if (broker.nc.isClosed()) throw cause;
    refused(context, wanted, cause);
    if (isSilence(cause)) throw cause;
    return;
  }
  noteStored(context, wanted, firstSequence);
}

/**
 * Publishes what is due of `entries`, and puts each back on the agenda.
 *
 * Some four round trips, and one more for each 500 occurrences, however many schedules there are. Throws what the broker reports or
 * its silence; entries that are still out of the agenda then must be put back unread.
 */
export async function runRound(context: RoundContext, entries: readonly Entry[]): Promise<void> {
  await readUnread(context, entries);
  const writes = await withoutBlocked(context, writesFor(context, entries));
  await inParallel(writes, DROPS_AT_ONCE, (write) => dropWaiting(context, write));
  await inParallel(groupsOf(writes), BATCHES_AT_ONCE, (group) => publishGroup(context, group));
}
