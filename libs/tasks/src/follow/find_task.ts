// Tested by tests/src/cli/follow_test.ts
import type { Broker } from "../broker/broker.ts";
import { type Cancellation, describeCancellation, readCancellation } from "../cancel/cancellation.ts";
import { type FoundStored, findStoredMessage } from "../cancel/find_message.ts";
import { deadLetters, type StoredDeadLetter } from "../dead/dead_letters.ts";
import type { Json } from "../definition/json.ts";
import type { Ledger, LedgerOutcome, OutcomeRow } from "../definition/ledger.ts";
import { boundId, checkTaskId } from "../format/delivery.ts";
import { headerOf, SCHEDULE, TASK_ATTEMPT, TASK_ERRORS, TASK_PARENT } from "../format/headers.ts";
import type { TaskAddress } from "../format/subject.ts";
import { type KeptResult, readKeptResult } from "../result/kept_result.ts";
import { readProgress, type StoredProgress } from "../result/progress.ts";
import { readTaskEvents, type TaskEvent, type TaskEvents } from "./task_events.ts";

/** Greatest number of ids that are tried as a task's parent. */
const PARENTS_TRIED = 8;

/** What a task does now, or how it has ended. `unknown`: nothing is left that tells of it. */
export type TaskState = "waiting" | "delayed" | "running" | Exclude<LedgerOutcome, "retry"> | "refused" | "unknown";

/** All that is known of one task. Its texts are unchanged: escape them before they reach a terminal. */
export interface FoundTask {
  readonly taskId: string;
  /** Null where nothing tells it. */
  readonly task: string | null;
  readonly vo: string | null;
  readonly state: TaskState;
  /** The stream in which its message lies; null: in none. */
  readonly stream: "TASKS" | "LATER" | "DEAD" | null;
  /** The attempt that waits, runs or was the last; null: unknown. */
  readonly attempt: number | null;
  /** When it is due, RFC 3339; null unless it is delayed. */
  readonly dueAt: string | null;
  /** The worker that ran it last; null: none told. */
  readonly worker: string | null;
  readonly progress: StoredProgress | null;
  /** The errors of its attempts that are known, oldest first. */
  readonly errors: readonly string[];
  readonly parent: string | null;
  readonly children: readonly { readonly taskId: string; readonly task: string; readonly vo: string }[];
  /** What it returned; undefined where it is not done, or nobody has kept it. */
  readonly result?: Json;
  readonly timeline: readonly TaskEvent[];
  /** When its outcome was recorded, RFC 3339; null: nothing tells it. */
  readonly endedAt: string | null;
  /** What could not be told, and why. */
  readonly notes: readonly string[];
}

/** Who else may know of the task. */
export interface FindOptions {
  /** The workers' ledger, where the caller has one. */
  readonly ledger?: Pick<Ledger<never>, "recall">;
  /** When the ledger's row of a task was written, RFC 3339. */
  settledAt?(taskId: string): Promise<string | undefined>;
}

/** What the sources say of a task. */
interface Sources {
  readonly taskId: string;
  readonly row: OutcomeRow | undefined;
  readonly kept: KeptResult | undefined;
  readonly message: FoundStored | "nowhere" | "unknown";
  readonly letter: StoredDeadLetter | undefined;
  readonly told: TaskEvents;
  readonly progress: StoredProgress | undefined;
  /** The wish that it is cancelled; undefined: nobody has it. */
  readonly cancellation: Cancellation | undefined;
}

const ENDS: ReadonlySet<TaskEvent["step"]> = new Set(["done", "dead", "dropped", "refused", "cancelled"]);

/** Whether an event tells that its task has ended. */
export function isEnd(step: TaskEvent["step"]): step is "done" | "dead" | "dropped" | "refused" | "cancelled" {
  return ENDS.has(step);
}

/** The newest step of a task. A line that its run has written says nothing of its state. */
function lastStep({ events }: TaskEvents): TaskEvent | undefined {
  return events.findLast(({ step }) => step !== "log");
}

function addressOf({
  row,
  kept,
  message,
  letter,
  told,
}: Omit<Sources, "progress" | "cancellation">): TaskAddress | undefined {
  const found = typeof message === "string" ? undefined : message;
  const known = row ?? kept ?? found ?? letter ?? told.address;
  return known === undefined ? undefined : { task: known.task, vo: known.vo };
}

function attemptOfMessage({ stored }: FoundStored): number {
  return Number(headerOf(stored.header, TASK_ATTEMPT) || 1);
}

/** The message that still has to run; undefined: none has, as far as is known. */
function messageToRun({ row, kept, message, told }: Sources): FoundStored | undefined {
  if (typeof message === "string") return undefined;
  const attempt = attemptOfMessage(message);
  const last = lastStep(told);
  if (last !== undefined && isEnd(last.step) && last.attempt >= attempt) return undefined;
  // The message of an attempt that has ended is there until its ack.
  if (row !== undefined && row.outcome !== "retry" && row.attempt >= attempt) return undefined;
  return row === undefined && kept !== undefined && kept.attempt >= attempt ? undefined : message;
}

function isRunning({ told, progress }: Sources, attempt: number): boolean {
  const last = lastStep(told);
  return last?.step === "started" && last.attempt >= attempt
    ? true
    : progress?.attempt === attempt && last === undefined;
}

function stateOf(sources: Sources): TaskState {
  const { row, kept, letter, told } = sources;
  const message = messageToRun(sources);
  if (message !== undefined) {
    if (message.stream === "LATER") return "delayed";
    return isRunning(sources, attemptOfMessage(message)) ? "running" : "waiting";
  }
  if (row !== undefined) return row.outcome === "retry" ? "delayed" : row.outcome;
  if (kept !== undefined) return kept.outcome;
  if (letter !== undefined) return "dead";
  if (sources.cancellation?.ended !== undefined) return sources.cancellation.ended;
  const last = told.events.findLast(({ step }) => isEnd(step))?.step;
  return last !== undefined && isEnd(last) ? last : "unknown";
}

function notesOf(sources: Sources, state: TaskState, hasLedger: boolean): readonly string[] {
  const { row, kept, message, told, letter } = sources;
  const notes: string[] = [];
  const { cancellation } = sources;
  if (cancellation !== undefined && cancellation.ended === undefined) {
    notes.push(`${describeCancellation(cancellation)} at ${cancellation.at}; nobody has carried that out yet`);
  }
  if (!hasLedger) notes.push("the ledger was not asked: no database is known here");
  if (message === "unknown") notes.push("more tasks wait than were looked at, so it may wait as well");
  const since = told.since === null ? "EVENTS holds none" : `EVENTS goes back to ${told.since}`;
  if (!told.complete) notes.push("only the newest events were looked at; the timeline may begin later than the task");
  else if (told.events.length === 0 && state !== "unknown") notes.push(`no event of it is left: ${since}`);
  const isByEvents = row === undefined && kept === undefined && letter === undefined && told.events.length > 0;
  if (isByEvents && !["waiting", "delayed", "running", "unknown"].includes(state)) {
    notes.push("its end is told by an event alone, which proves nothing");
  }
  if (state === "done" && row === undefined && kept === undefined) notes.push("its result was not kept, or has lapsed");
  if (row?.outcome === "retry" && message === "nowhere") {
    notes.push("its retry is in neither LATER nor TASKS; the scheduler publishes it again within a minute");
  }
  return notes;
}

/** The time in `@at 2027-01-31T12:00:00Z`; null for anything else. */
function dueAtOf({ stored }: FoundStored): string | null {
  const text = headerOf(stored.header, SCHEDULE);
  const ms = text.startsWith("@at ") ? Date.parse(text.slice(4)) : Number.NaN;
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

/**
 * The parent of a task, where no header is left that names it. A child's id begins with its parent's, unless it is of another VO or too
 * long. Only a row that lists the child proves it.
 */
async function findParent(ledger: FindOptions["ledger"], taskId: string): Promise<string | null> {
  let tried = 0;
  for (let at = taskId.lastIndexOf("/"); at > 0 && tried < PARENTS_TRIED; at = taskId.lastIndexOf("/", at - 1)) {
    tried++;
    const parent = taskId.slice(0, at);
    const row = await ledger?.recall(parent);
    if (row?.spawned.some((child) => child.taskId === taskId)) return parent;
  }
  return null;
}

async function newestLetter(broker: Broker, taskId: string, of: TaskAddress | undefined) {
  let newest: StoredDeadLetter | undefined;
  for await (const letter of deadLetters(broker, { taskId, ...of }, { headersOnly: true })) newest = letter;
  return newest;
}

function errorsOf({ row, kept, letter, message }: Sources): readonly string[] {
  if (row !== undefined && row.errors.length > 0) return row.errors;
  if (letter !== undefined) return letter.errors.length > 0 ? letter.errors : [letter.reason];
  const carried = typeof message === "string" ? undefined : message.stored.header;
  const errors = carried?.has(TASK_ERRORS) ? carried.values(TASK_ERRORS) : [];
  return errors.length === 0 && kept?.error != null ? [kept.error] : errors;
}

async function parentOf(sources: Sources, ledger: FindOptions["ledger"]): Promise<string | null> {
  const { kept, letter, message, taskId } = sources;
  const stored = typeof message === "string" ? undefined : message.stored.header;
  const named = headerOf(stored, TASK_PARENT) || headerOf(letter?.headers, TASK_PARENT) || kept?.parent;
  return named || (await findParent(ledger, taskId));
}

async function ask(broker: Broker, taskId: string, { ledger }: FindOptions): Promise<Sources> {
  const readEnd = () => Promise.all([ledger?.recall(taskId), readKeptResult(broker, taskId)]);
  const [[row, kept], message] = await Promise.all([readEnd(), findStoredMessage(broker, taskId)]);
  const known = addressOf({ taskId, row, kept, message, letter: undefined, told: NO_EVENTS });
  const [letter, told, progress, { cancellation }] = await Promise.all([
    newestLetter(broker, taskId, known),
    readTaskEvents(broker, taskId, known),
    readProgress(broker, taskId),
    readCancellation(broker, taskId),
  ]);
  const found = { taskId, message, letter, told, progress, cancellation };
  const isToldToEnd = told.events.some(({ step }) => isEnd(step));
  if (kept !== undefined || !isToldToEnd) return { ...found, row, kept };
  // The end is kept before it is told, so it may have been kept since we looked.
  const [rowNow, keptNow] = await readEnd();
  return { ...found, row: rowNow, kept: keptNow };
}

const NO_EVENTS: TaskEvents = { events: [], since: null, complete: true, address: undefined };

/**
 * Puts together what streams, buckets, events and the ledger know of one task. For people: it looks at several stores one after the other, so
 * a task that moves may be shown in a state that it has just left.
 *
 * Throws `InvalidNameError`, and what the broker and the ledger throw.
 *
 * ```ts
 * const { state, attempt, errors } = await findTask(broker, "nightly-probe");
 * ```
 */
export async function findTask(broker: Broker, id: string, options: FindOptions = {}): Promise<FoundTask> {
  const { ledger } = options;
  const taskId = boundId(checkTaskId(id));
  const sources = await ask(broker, taskId, options);
  const { row, kept, letter, told, progress } = sources;
  const state = stateOf(sources);
  const message = messageToRun(sources);
  const address = addressOf(sources);
  const attempt =
    message === undefined ? (row ?? kept ?? letter ?? lastStep(told))?.attempt : attemptOfMessage(message);
  const result = state !== "done" ? undefined : row !== undefined ? row.result : kept?.result;
  const settledAt = row === undefined ? undefined : await options.settledAt?.(taskId);
  const end = told.events.findLast(({ step }) => isEnd(step));
  return {
    ...{ taskId, task: address?.task ?? null, vo: address?.vo ?? null, state, attempt: attempt ?? null },
    stream: message?.stream ?? (letter !== undefined && state === "dead" ? "DEAD" : null),
    dueAt: (message?.stream === "LATER" ? dueAtOf(message) : row?.dueAt) ?? null,
    worker: told.events.findLast(({ step }) => step === "started")?.worker ?? progress?.worker ?? null,
    progress: state === "running" ? (progress ?? null) : null,
    errors: errorsOf(sources),
    parent: await parentOf(sources, ledger),
    children: (row?.spawned ?? []).map((child) => ({ taskId: child.taskId, task: child.task, vo: child.vo })),
    ...(result === undefined ? {} : { result }),
    timeline: told.events,
    endedAt: message === undefined ? (settledAt ?? (kept?.endedAt || end?.at || letter?.deadAt || null)) : null,
    notes: notesOf(sources, state, ledger !== undefined),
  };
}
