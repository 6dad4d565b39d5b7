// Tested by tests/src/worker/identity_test.ts
// Tested by tests/src/worker/bad_messages_test.ts
import type { MsgHdrs } from "@nats-io/nats-core";
import type { JsonObject } from "../definition/json.ts";
import { middlewareOf } from "../definition/middleware.ts";
import { migratePayload } from "../definition/migrate.ts";
import { checkPayload, payloadHash, readPayload } from "../definition/payload.ts";
import type { OutcomeRow, Ledger } from "../definition/ledger.ts";
import { attemptOf, checkTaskId, payloadVersionOf, taskIdOf } from "../format/delivery.ts";
import { headerOf, oneLine, TASK_ATTEMPT, TASK_ERRORS } from "../format/headers.ts";
import type { ReceivedTask } from "../pull/received_task.ts";
import { keepResultOf } from "../result/kept_result.ts";

/** The shape of an occurrence's id, and of the ids of its children. */
const OCCURRENCE_ID = /^[A-Za-z][A-Za-z0-9_-]*\/[^/]+\/[A-Za-z0-9_-]+\/\d{4}-\d\d-\d\dT/;

/**
 * The VO that an id names: occurrences and children in other VOs have it after a task's name. It must be the VO of the message, so that
 * nobody uses up the ids of another VO. Undefined for an id that a publisher chose freely.
 */
function voOfId(taskId: string, task: string): string | undefined {
  const [name, vo] = taskId.split("/", 2);
  return name === task || OCCURRENCE_ID.test(taskId) ? vo : undefined;
}

/** A task with the identity that its headers and its delivery give it. */
export interface IdentifiedTask {
  readonly received: ReceivedTask;
  readonly taskId: string;
  readonly attempt: number;
}

/** A task whose payload has been checked, with what is known of its earlier attempts. */
export interface PreparedTask extends IdentifiedTask {
  /** As its schema returned it. */
  readonly payload: unknown;
  /** The payload as it was sent, before its schema read it. Its hash tells a repeat from another task. */
  readonly sent: JsonObject;
  readonly ledger: Ledger<unknown>;
  /** Errors of the attempts before this one. */
  readonly errors: readonly string[];
}

/** The id, headers or payload of a message make no sense. The message becomes a dead letter. */
export class TaskRefusedError extends Error {
  override readonly name = "TaskRefusedError";
  readonly taskId: string;
  constructor(taskId: string, problem: string) {
    super(`Cannot run ${JSON.stringify(taskId)}: ${problem}`);
    this.taskId = taskId;
  }
}

/** This worker is too old for the payload's version. The message goes back for a newer worker. */
export class NewerPayloadError extends Error {
  override readonly name = "NewerPayloadError";
  readonly task: string;
  readonly version: number;
  constructor(task: string, version: number, known: number) {
    super(`Cannot read version ${version} of ${task}'s payload: this worker knows version ${known}; start a newer one`);
    this.task = task;
    this.version = version;
  }
}

/** An error as one line of at most 1 KiB. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  const by = middlewareOf(error);
  return oneLine(`${error.name}${by === undefined ? "" : ` in middleware ${JSON.stringify(by)}`}: ${error.message}`);
}

/** Returns the task with the identity in its headers, which are not checked yet. */
export function byId(received: ReceivedTask): IdentifiedTask {
  const { headers, delivery } = received;
  const attempt = Number(headerOf(headers, TASK_ATTEMPT) || 1);
  return { received, taskId: taskIdOf(headers, delivery), attempt: Number.isInteger(attempt) ? attempt : 1 };
}

/** The identity that a message states, unchecked. */
export interface StatedIdentity {
  readonly task: string;
  readonly vo: string;
  readonly taskId: string;
  readonly headers: MsgHdrs | undefined;
  /** Why the headers cannot be read; undefined where they can. */
  readonly headersProblem?: string | undefined;
}

/**
 * Returns the attempt that a message asks for. Throws {@linkcode TaskRefusedError} or `InvalidNameError` where nobody may run it under
 * its id or write a row for that id.
 */
export function checkIdentity({ task, vo, taskId, headers, headersProblem }: StatedIdentity): number {
  if (headersProblem !== undefined) {
    throw new TaskRefusedError(taskId, `its headers cannot be read: ${headersProblem}`);
  }
  checkTaskId(taskId);
  const attempt = attemptOf(headers);
  keepResultOf(headers);
  const named = voOfId(taskId, task);
  if (named === undefined || named === vo) return attempt;
  throw new TaskRefusedError(taskId, `the id belongs to VO ${named}, the task to ${vo}; give it an id of its own`);
}

/**
 * Reads the headers and the payload. Returns a promise only where the task's schema does, since each costs a small task time. Throws or rejects
 * with {@linkcode TaskRefusedError}, `InvalidNameError`, `PayloadRefusedError` or {@linkcode NewerPayloadError}.
 */
export function prepare(received: ReceivedTask, ledger: Ledger<unknown>): PreparedTask | Promise<PreparedTask> {
  const { taskId } = byId(received);
  const attempt = checkIdentity({ ...received, task: received.definition.name, taskId });
  const version = payloadVersionOf(received.headers);
  const { name, payloadVersion } = received.definition;
  if (version > payloadVersion) throw new NewerPayloadError(name, version, payloadVersion);
  const raw = readPayload(received.definition.name, received.body);
  const checked = checkPayload(received.definition, migratePayload(received.definition, raw, version));
  const prepared = (payload: unknown): PreparedTask => ({
    received,
    taskId,
    attempt,
    payload,
    sent: raw,
    ledger,
    errors: errorsOf(received),
  });
  return checked instanceof Promise ? checked.then(prepared) : prepared(checked);
}

/** The errors of the attempts before this one, where no database keeps them. */
function errorsOf({ definition, headers }: ReceivedTask): readonly string[] {
  if (definition.effect === "once" || headerOf(headers, TASK_ERRORS) === "") return [];
  return headers?.values(TASK_ERRORS) ?? [];
}

/** What a row is compared with. */
export interface RowOwner extends Pick<PreparedTask, "taskId" | "sent"> {
  readonly received: Pick<ReceivedTask, "definition" | "vo">;
}

/** Throws {@linkcode TaskRefusedError} where the ledger's row for this id belongs to another task. */
export function checkIsOurs(row: OutcomeRow, { received, taskId, sent }: RowOwner): void {
  const { definition, vo } = received;
  const isSameTask = row.task === definition.name && row.vo === vo;
  if (isSameTask && row.payloadHash === payloadHash(sent)) return;
  const by = isSameTask ? "another payload" : `${row.task} of VO ${row.vo}`;
  throw new TaskRefusedError(taskId, `id already used by ${by}; publish it under a new id`);
}

/** Whether the row already holds the outcome of this attempt, so that the attempt must not run. */
export function covers(row: OutcomeRow, attempt: number): boolean {
  return row.attempt >= attempt || (row.outcome !== "retry" && row.outcome !== "dead");
}
