// Tested by libs/tasks/src/schedule/keep_schedules_test.ts
// Tested by libs/tasks/src/schedule/once_test.ts
import type { Broker } from "../broker/broker.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { isConflict, TASKS } from "../streams/streams.ts";
import type { Agenda, Entry } from "../due/agenda.ts";
import { BATCH_LIMIT, isBatchNotTakenUp, publishAtomically } from "../broker/atomic_batch.ts";
import type { BrokerClock } from "../lead/broker_clock.ts";
import { middlewareOf } from "../definition/middleware.ts";
import { MOST_MISSED } from "../definition/recurrence.ts";
import { nextDue } from "../due/due.ts";
import { firstDueAfter, rested, tried } from "../due/overdue.ts";
import type { HookGate } from "../publish/hook_gate.ts";
import { occurrenceId } from "../broker/occurrence.ts";
import { inParallel } from "../lead/in_parallel.ts";
import { setTimeout as pause } from "node:timers/promises";
import { readMarkers } from "./read_markers.ts";
import { nextStep } from "../due/next_step.ts";
import { type Occupancy, waitingOf } from "./occupancy.ts";
import type { Pauses } from "./pauses.ts";
import type { Reporter } from "../lead/reporter.ts";
import type { Marker } from "../broker/marker.ts";
import { markerAfter, messagesOf, type ScheduleWrite } from "./schedule_write.ts";
import { NO_BATCHES, storeApart } from "./store_apart.ts";
import { putAway } from "../sweep/put_away.ts";
import type { SweepLedger } from "../sweep/unwanted.ts";

/** Delay of the next look at a schedule whose last occurrence still waits or runs, and at one that is paused, ms. */
const BLOCKED_MS = 500;
const PAUSED_MS = 1_000;
/** Delay after a failed write, ms. It doubles with each further failure, up to the longest. */
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 3_000;
/** Greatest number of batches under way. The server accepts 50 for a stream, from all publishers together. */
const BATCHES_AT_ONCE = 4;
/** Greatest number of occurrences that are stored one by one at the same time. */
const APART_AT_ONCE = 32;
/** Greatest number of occurrences that are deleted at the same time. */
const DROPS_AT_ONCE = 32;
/** Longest part of an error's text that is kept as the reason why an occurrence has not come, characters. */
const LONGEST_REASON = 300;
/** Longest wait of a round for the ledger, ms: before an occurrence is deleted that a worker may have in hand. */
const LEDGER_MS = 1_000;

export interface RoundContext {
  readonly broker: Broker;
  readonly worker: string;
  readonly clock: BrokerClock;
  readonly agenda: Agenda;
  readonly pauses: Pauses;
  readonly occupancy: Occupancy;
  readonly report: Reporter;
  /**
   * The ledger that must hear first where an occurrence of `task` is put away. `none need`: no worker can have it. `left alone`: there is
   * no ledger that could hear.
   */
  custodyOf(task: string): SweepLedger | "none need" | "left alone";
  /** Lets occurrences pass the middlewares; undefined: there is none. */
  readonly gate?: HookGate | undefined;
}

/** Delay of a schedule after `failures` failures in a row, ms. */
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

/** What must be written now. The other entries are put back on the agenda. */
function writesFor({ agenda, clock, report }: RoundContext, entries: readonly Entry[]): ScheduleWrite[] {
  const now = clock.now();
  return entries.flatMap((entry) => {
    const { planned, stored } = entry;
    const marker = stored === "unread" ? undefined : stored;
    const step = nextStep(planned, marker, now);
    const dueAt = firstDueAfter(planned, marker);
    if (step.kind === "rest") {
      entry.overdue = rested(entry.overdue, dueAt);
      // What was refused is no longer to be written, so the next write goes with the others again.
      entry.failures = 0;
      entry.isAlone = false;
      agenda.put(entry, step.untilAt);
      return [];
    }
    entry.overdue = step.kind === "publish" ? tried(entry.overdue, dueAt) : undefined;
    if (step.kind === "publish" && step.isCut) {
      const text = `More than ${MOST_MISSED} occurrences of ${planned.key} were missed: the newest ${MOST_MISSED} come, the older ones do not`;
      report.note(`missed ${planned.key}`, text);
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

/** Leaves out schedules whose last occurrence is not over, unless theirs may overlap. They are tried again when it is. */
async function withoutBlocked(
  { agenda, clock, occupancy }: RoundContext,
  writes: readonly ScheduleWrite[],
): Promise<ScheduleWrite[]> {
  const last = writes.flatMap(({ entry: { planned, stored }, step }) =>
    step.kind === "publish" && planned.overlap === "skip" && stored !== undefined && stored !== "unread"
      ? [{ planned, message: stored.message }]
      : [],
  );
  const blocked = await occupancy.look(last);
  return writes.filter(({ entry, step }) => {
    if (step.kind === "restart" || !blocked.has(entry.planned.key)) return true;
    entry.overdue = undefined;
    agenda.put(entry, clock.now() + BLOCKED_MS);
    return false;
  });
}

/** Groups that fit into one batch each. An entry that was refused before goes alone, so that one schedule cannot hold up others. */
function groupsOf(writes: readonly ScheduleWrite[]): ScheduleWrite[][] {
  const alone = writes.filter(({ entry }) => entry.isAlone);
  const together = writes.filter(({ entry }) => !entry.isAlone);
  const groups = alone.map((write) => [write]);
  for (let at = 0; at < together.length; at += BATCH_LIMIT / 2) groups.push(together.slice(at, at + BATCH_LIMIT / 2));
  return groups;
}

/**
 * A schedule was switched off, so its waiting occurrences are no longer wanted. They are deleted first, since the new marker then says that
 * all is done.
 *
 * A worker may have one in hand, so the ledger hears before it goes. A silent ledger holds up no schedules: the occurrence stays until the
 * ledger answers, or runs.
 */
async function dropWaiting(context: RoundContext, { entry: { planned }, step }: ScheduleWrite): Promise<void> {
  if (step.kind !== "restart" || step.reason !== "switched off" || step.message === 0) return;
  const { broker, worker, report } = context;
  const { task, vo, key } = planned;
  const waiting = await waitingOf(broker, planned, step.message);
  if (waiting.length === 0) return;
  const custody = context.custodyOf(task);
  const stays = (cause?: unknown) => {
    const text = `The last occurrence of ${key}, which was switched off, still runs: the ledger has not heard that it is not wanted`;
    report.note(`off ${key}`, text, { cause });
  };
  if (custody === "left alone") return stays();
  const ledger = custody === "none need" ? undefined : custody;
  const reason = "its schedule was switched off";
  const gone = inParallel(waiting, DROPS_AT_ONCE, (stored) =>
    putAway(broker, worker, { stream: TASKS, stored, end: "dropped", reason, task, vo, ledger }),
  );
  if (ledger === undefined) await gone;
  else await Promise.race([gone.catch(stays), pause(LEDGER_MS, undefined, { ref: false })]);
}

function noteOne({ agenda, broker, clock }: RoundContext, { entry, step }: ScheduleWrite, marker: Marker): void {
  if (step.kind === "publish") {
    const { task, vo } = entry.planned;
    broker.observer.occurrence?.({ task, vo, lagMs: Math.max(0, clock.now() - step.dueAt) });
  }
  entry.stored = marker;
  entry.overdue = undefined;
  entry.failures = 0;
  entry.isAlone = false;
  const { schedule, offsetMs } = entry.planned;
  agenda.put(entry, schedule === undefined ? Number.POSITIVE_INFINITY : nextDue({ schedule, offsetMs }, step.dueAt));
}

function noteStored(context: RoundContext, group: readonly ScheduleWrite[], firstSequence: number): void {
  let sequence = firstSequence;
  for (const write of group) {
    noteOne(context, write, markerAfter(write, sequence));
    sequence += write.step.kind === "publish" ? 2 : 1;
  }
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, LONGEST_REASON);
}

/** Keeps why the occurrence that is due has not come. */
function noteWhy(entry: Entry, why: string): void {
  if (entry.overdue !== undefined) entry.overdue = { ...entry.overdue, why };
}

/** Keeps that it has not come because NATS has not stored it. */
export function noteUnstored(entry: Entry, cause: unknown): void {
  noteWhy(entry, `NATS has not stored its occurrence: ${textOf(cause)}; \`muster doctor\` says what is wrong there`);
}

/** Nothing was stored, or nobody knows. Has the markers read again: they decide. */
function refused({ agenda, clock, report }: RoundContext, group: readonly ScheduleWrite[], cause: unknown): void {
  for (const { entry } of group) {
    entry.stored = "unread";
    entry.failures++;
    entry.isAlone = !isSilence(cause);
    noteUnstored(entry, cause);
    // A first conflict means that another leader was faster, or one schedule of the batch was. What its marker says counts at once.
    const waitMs = isConflict(cause) && entry.failures === 1 ? 0 : backoffMs(entry.failures);
    agenda.put(entry, clock.now() + waitMs);
  }
  const [first] = group;
  if (isConflict(cause) || isSilence(cause) || group.length > 1 || first === undefined) return;
  report.alarm(`publish ${first.entry.planned.key}`, `Cannot publish an occurrence of ${first.entry.planned.key} yet`, {
    cause,
  });
}

/** Leaves out schedules that are paused, or that the plan does not have any more. */
async function withoutPaused(
  { agenda, clock, pauses }: RoundContext,
  group: readonly ScheduleWrite[],
): Promise<ScheduleWrite[]> {
  await pauses.refresh();
  return group.filter(({ entry, step }) => {
    if (!agenda.isCurrent(entry)) return false;
    if (step.kind === "restart" || !pauses.isPaused(entry.planned)) return true;
    entry.overdue = undefined;
    agenda.put(entry, clock.now() + PAUSED_MS);
    return false;
  });
}

/**
 * Lets the occurrences of a group pass the middlewares. Those that do not pass are tried again after a rest, while their marker stands: so
 * each is told again, or a newer one in its place.
 */
async function throughGate(
  { agenda, clock, report }: RoundContext,
  gate: HookGate,
  group: readonly ScheduleWrite[],
): Promise<ScheduleWrite[]> {
  const passing = group.map(async (write): Promise<ScheduleWrite[]> => {
    const { entry, step } = write;
    if (step.kind === "restart") return [write];
    const { key, task, vo, body } = entry.planned;
    const taskId = occurrenceId({ ...entry.planned, dueAt: step.dueAt });
    const gated = await gate.pass({ task, vo, taskId, payload: JSON.parse(body) });
    if (gated.kind === "passed") return [{ ...write, headers: gated.headers }];
    entry.failures++;
    agenda.put(entry, clock.now() + backoffMs(entry.failures));
    const by = gated.kind === "refused" ? middlewareOf(gated.error) : undefined;
    const name = by === undefined ? "" : ` ${JSON.stringify(by)}`;
    noteWhy(entry, `middleware${name} does not let its occurrence pass: ${textOf(gated.error)}; mend what that needs`);
    const text = `Middleware${name} does not let occurrences of ${key} pass yet; they are tried again`;
    report.alarm(`hook ${key}`, text, { cause: gated.error });
    return [];
  });
  return (await Promise.all(passing)).flat();
}

/** Stores each of a group by itself, where the server takes up no batch. */
async function publishApart(context: RoundContext, group: readonly ScheduleWrite[], cause: unknown): Promise<void> {
  context.report.alarm("batches", NO_BATCHES, { cause });
  await inParallel(group, APART_AT_ONCE, async (write) => {
    try {
      noteOne(context, write, await storeApart(context.broker, write));
    } catch (error) {
      if (context.broker.nc.isClosed()) throw error;
      refused(context, [write], error);
      if (isSilence(error)) throw error;
    }
  });
}

async function publishGroup(context: RoundContext, group: readonly ScheduleWrite[]): Promise<void> {
  const { broker, gate } = context;
  let wanted = await withoutPaused(context, group);
  // A hook may take its time, and somebody may have paused a schedule meanwhile.
  if (gate !== undefined) wanted = await withoutPaused(context, await throughGate(context, gate, wanted));
  if (wanted.length === 0) return;
  let firstSequence: number;
  try {
    firstSequence = await publishAtomically(broker, wanted.flatMap(messagesOf));
  } catch (cause) {
    if (broker.nc.isClosed()) throw cause;
    if (isBatchNotTakenUp(cause)) return await publishApart(context, wanted, cause);
    refused(context, wanted, cause);
    if (isSilence(cause)) throw cause;
    return;
  }
  noteStored(context, wanted, firstSequence);
}

/**
 * Publishes what is due of `entries`, and puts each back on the agenda.
 *
 * Takes some four round trips, and one more for each 500 occurrences, however many schedules there are. Throws what the broker reports, and
 * its silence. Entries that are then still off the agenda must be put back unread.
 */
export async function runRound(context: RoundContext, entries: readonly Entry[]): Promise<void> {
  await readUnread(context, entries);
  const writes = await withoutBlocked(context, writesFor(context, entries));
  await inParallel(writes, DROPS_AT_ONCE, (write) => dropWaiting(context, write));
  await inParallel(groupsOf(writes), BATCHES_AT_ONCE, (group) => publishGroup(context, group));
}
