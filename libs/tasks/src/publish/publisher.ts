import { randomUUID } from "node:crypto";
import { type AmbientPublisher, withPublisher } from "../definition/ambient.ts";
import type { JsonObject } from "../definition/json.ts";
import { checkPayload, PayloadRefusedError, sizeProblem } from "../definition/payload.ts";
import type { PublishableTask, ScheduleOptions } from "../definition/publishable.ts";
import type { SpawnedTask } from "../definition/unit_of_work.ts";
import type { Broker } from "../wire/broker.ts";
import { boundId, checkTaskId } from "../wire/delivery.ts";
import { InvalidNameError, NO_VO } from "../wire/names.ts";
import { publishSurely } from "../wire/publish_surely.ts";
import { messageOf } from "./task_message.ts";

/** Publishes wait for their answers this many at a time. */
const IN_FLIGHT = 500;
/** Below the server's payload limit, as the streams are declared. */
const HEADROOM_BYTES = 64 * 1024;

export interface PublishOptions<Payload> extends ScheduleOptions<Payload> {
  /** Identity of the task; publishing it again has no second effect. Default: a random one. Over 200 bytes, its SHA-256 is used. */
  readonly taskId?: string;
}

/** The broker's receipt: the task is stored. */
export interface Published {
  readonly taskId: string;
  readonly stream: string;
  /** Of the stored message, or of the first one where this was a repeat. */
  readonly sequence: number;
  /** The broker had this id already, within its window, and stored nothing. */
  readonly duplicate: boolean;
}

/** Publishes tasks over one connection. */
export interface Publisher extends AmbientPublisher {
  /**
   * Stores one task and answers when it is stored.
   *
   * Throws `InvalidNameError`, `PayloadRefusedError`, what JetStream refuses, and `PublishUnknownError` after 20 s without an answer.
   */
  publish<Payload extends JsonObject>(
    task: PublishableTask<Payload>,
    options?: PublishOptions<Payload>,
  ): Promise<Published>;
  /** Stores many, 500 at a time; answers in their order. The first refusal is thrown when all under way have their answers. */
  publishMany<Payload extends JsonObject>(
    task: PublishableTask<Payload>,
    many: Iterable<PublishOptions<Payload>>,
  ): Promise<readonly Published[]>;
  /** Runs `work` with this publisher behind every `task.schedule()` in it. */
  run<T>(work: () => T): T;
}

/** The VO a task goes to. Throws `InvalidNameError` where the task is per VO and none was given, or the reverse. */
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

/** The version of `task`'s payloads, where a message has to say it. */
export function versionOf({ payloadVersion = 1 }: PublishableTask): Pick<SpawnedTask, "payloadVersion"> {
  return payloadVersion === 1 ? {} : { payloadVersion };
}

/** Checks a payload and its size for `task`. Throws `PayloadRefusedError`. */
export async function checkedPayload<Payload extends JsonObject>(
  task: PublishableTask<Payload>,
  payload: Payload | undefined,
  maxBytes: number,
): Promise<JsonObject> {
  const given = payload ?? {};
  const problem = sizeProblem(given);
  if (problem !== undefined) throw new PayloadRefusedError(task.name, problem);
  await checkPayload(task, given);
  const bytes = Buffer.byteLength(JSON.stringify(given));
  if (bytes > maxBytes)
    throw new PayloadRefusedError(task.name, `it has ${bytes} bytes of JSON; ${maxBytes} are the limit`);
  return given;
}

/** The largest payload that `broker` takes, bytes of JSON. */
export function maxPayloadBytes(broker: Broker): number {
  // Headers count too, and an id may have 200 bytes in each of three of them.
  return (broker.nc.info?.max_payload ?? 1_048_576) - HEADROOM_BYTES - 4096;
}

/** A publisher over `broker`, whose connection stays the caller's. */
export function createPublisher(broker: Broker): Publisher {
  async function publish<Payload extends JsonObject>(
    task: PublishableTask<Payload>,
    options: PublishOptions<Payload> = {},
  ): Promise<Published> {
    const vo = voFor(task, options.vo);
    const payload = await checkedPayload(task, options.payload, maxPayloadBytes(broker));
    const taskId = boundId(checkTaskId(options.taskId ?? randomUUID()));
    const outgoing: SpawnedTask = {
      taskId,
      task: task.name,
      vo,
      payload,
      ...versionOf(task),
      ...(options.at === undefined ? {} : { startAt: options.at.toISOString() }),
    };
    const ack = await publishSurely(broker, messageOf(outgoing));
    return { taskId, stream: ack.stream, sequence: ack.seq, duplicate: ack.duplicate };
  }

  async function publishMany<Payload extends JsonObject>(
    task: PublishableTask<Payload>,
    many: Iterable<PublishOptions<Payload>>,
  ): Promise<readonly Published[]> {
    const published: Published[] = [];
    const iterator = many[Symbol.iterator]();
    let next = 0;
    async function lane(): Promise<void> {
      for (let item = iterator.next(); !item.done; item = iterator.next()) {
        const at = next++;
        published[at] = await publish(task, item.value);
      }
    }
    const ended = await Promise.allSettled(Array.from({ length: IN_FLIGHT }, lane));
    const refused = ended.find((end) => end.status === "rejected");
    if (refused !== undefined) throw refused.reason;
    return published;
  }

  const publisher: Publisher = {
    publish,
    publishMany,
    schedule: async (task, options) => (await publish(task, options)).taskId,
    run: (work) => withPublisher(publisher, work),
  };
  return publisher;
}

/** Publishes the children of a run that has committed; repeats are harmless, since their ids stay. */
export async function publishSpawned(broker: Broker, parentId: string, spawned: readonly SpawnedTask[]): Promise<void> {
  for (let at = 0; at < spawned.length; at += IN_FLIGHT) {
    const turn = spawned.slice(at, at + IN_FLIGHT);
    await Promise.all(turn.map((child) => publishSurely(broker, messageOf(child, parentId))));
  }
}
