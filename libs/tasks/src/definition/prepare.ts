// Tested by tests/src/worker/identity_test.ts
// Tested by libs/tasks/src/publish/store_test.ts
import { randomUUID } from "node:crypto";
import { boundId, checkTaskId } from "../format/delivery.ts";
import { checkOwnHeaders, type OwnHeaders } from "../format/own_headers.ts";
import { InvalidNameError, NO_VO } from "../format/names.ts";
import type { JsonObject } from "./json.ts";
import type { SpawnedTask } from "./ledger.ts";
import type { TaskMessage } from "./middleware.ts";
import { checkPayload, PayloadRefusedError, sizeProblem } from "./payload.ts";
import { keepResultMs } from "./keep_result.ts";
import type { PublishableTask, PublishOptions, SpawnOptions } from "./publishable.ts";

/** Room below the server's payload limit, bytes, as the streams are declared. */
const HEADROOM_BYTES = 64 * 1024;
/** Room for the headers of a message, bytes. An id may have 200 bytes, and stands in three of them. */
const HEADERS_BYTES = 4096;
/** Size of the largest message that a server accepts by default, bytes. */
const USUAL_MESSAGE_BYTES = 1_048_576;
/**
 * Latest start of a delayed task, ms since the epoch: 2262-04-11T23:47:16Z. The server counts in nanoseconds of 64 bits, and takes a later
 * time for a past one.
 */
const LATEST_START_MS = 9_223_372_036_000;

/** The start of a delayed task, RFC 3339 in UTC. Throws `RangeError` for an invalid date, and for one after 2262-04-11. */
export function startAtOf(at: Date): string {
  if (at.getTime() <= LATEST_START_MS) return at.toISOString();
  const found = Number.isNaN(at.getTime()) ? "no time" : at.toISOString();
  throw new RangeError(
    `Cannot delay a task until ${found}: give a time before ${new Date(LATEST_START_MS).toISOString()}`,
  );
}

/** The VO that a task goes to. Throws `InvalidNameError` where the task is per VO and none was given, or the reverse. */
export function voFor(task: PublishableTask, vo: string | undefined): string {
  if (task.per === "all") {
    if (vo === undefined || vo === NO_VO) return NO_VO;
    throw new InvalidNameError({
      what: "VO",
      value: vo,
      problem: `${task.name} is not per VO`,
      rule: "leave the VO out",
    });
  }
  if (vo === undefined || vo === NO_VO)
    throw new InvalidNameError({ what: "VO", value: vo ?? "", problem: `${task.name} is per VO`, rule: "name one" });
  return vo;
}

/** The version of `task`'s payloads, where a message has to state it: version 1 is not stated. */
export function statedVersion({ payloadVersion }: PublishableTask): Pick<SpawnedTask, "payloadVersion"> {
  return payloadVersion === 1 ? {} : { payloadVersion };
}

/** How long the task's result is kept, where its publisher or its definition asks for that. Throws `RangeError`. */
export function statedKeep(
  { name, keepResultMs: byDefinition }: PublishableTask,
  { keepResult }: Pick<SpawnOptions, "keepResult">,
): Pick<SpawnedTask, "keepResultMs"> {
  const ms = keepResult === undefined ? byDefinition : keepResultMs(name, keepResult);
  return ms === undefined ? {} : { keepResultMs: ms };
}

/** Size of the largest payload in a message of at most `messageBytes`, bytes of JSON. Default: the server's default. */
export function payloadBytesIn(messageBytes = USUAL_MESSAGE_BYTES): number {
  return messageBytes - HEADROOM_BYTES - HEADERS_BYTES;
}

/** A payload that its task accepts. */
export interface CheckedPayload {
  /** The payload as it was given. It is sent, and tells a repeat from another task. */
  readonly payload: JsonObject;
  /** The payload as the task's schema returned it. It is given to the run. */
  readonly parsed: unknown;
  /** Size of `payload`, bytes of JSON. */
  readonly size: number;
}

/** Checks a payload and its size for `task`. Throws `PayloadRefusedError`. */
export async function checkedPayload(
  task: PublishableTask,
  payload: JsonObject | undefined,
  maxBytes: number,
): Promise<CheckedPayload> {
  const given = payload ?? {};
  const problem = sizeProblem(given);
  if (problem !== undefined) throw new PayloadRefusedError(task.name, problem);
  const parsed = await checkPayload(task, given);
  const size = Buffer.byteLength(JSON.stringify(given));
  if (size > maxBytes)
    throw new PayloadRefusedError(task.name, `it has ${size} bytes of JSON; ${maxBytes} are the limit`);
  return { payload: given, parsed, size };
}

/** A checked task. */
export interface Prepared {
  readonly task: SpawnedTask;
  /** Size of its payload, bytes of JSON. */
  readonly size: number;
}

/**
 * Checks what is to be published, but for the name of a VO, which its subject checks. Gives the task its id. `maxBytes` bounds the payload,
 * bytes of JSON.
 *
 * Throws `InvalidNameError`, `PayloadRefusedError`, and `RangeError` for a start that cannot be.
 */
export async function prepareTask(
  task: PublishableTask,
  { vo: wantedVo, payload: given, taskId: wantedId = randomUUID(), at, headers, ...asked }: PublishOptions,
  maxBytes: number,
): Promise<Prepared> {
  if (asked.unique !== undefined) {
    throw new RangeError(`Cannot publish ${task.name} under a unique key here: publish it by itself, with a publisher`);
  }
  const vo = voFor(task, wantedVo);
  const { payload, size } = await checkedPayload(task, given, maxBytes);
  const taskId = boundId(checkTaskId(wantedId));
  const startAt = at === undefined ? {} : { startAt: startAtOf(at) };
  const own = headers === undefined ? {} : { headers: checkOwnHeaders(headers) };
  const stated = { ...statedVersion(task), ...statedKeep(task, asked), ...startAt, ...own };
  return { task: { taskId, task: task.name, vo, payload, ...stated }, size };
}

/** `task` with these headers of its publisher's own, which were checked. */
export function withHeaders(task: SpawnedTask, headers: OwnHeaders): SpawnedTask {
  if (Object.keys(headers).length > 0) return { ...task, headers };
  if (task.headers === undefined) return task;
  const { headers: _, ...without } = task;
  return without;
}

/** `task` as a middleware sees it, with a copy of its headers to change. */
export function messageSeen(task: SpawnedTask, headers: OwnHeaders = {}, parentId?: string): TaskMessage {
  const { task: name, vo, taskId, payload } = task;
  return { task: name, vo, taskId, payload, parentId, headers: { ...headers } };
}
