import type { AmbientPublisher } from "../definition/ambient.ts";
import { canonicalJson, type JsonObject } from "../definition/json.ts";
import { checkPayload, PayloadRefusedError, sizeProblem } from "../definition/payload.ts";
import type { PublishableTask, ScheduleOptions, SpawnOptions } from "../definition/task.ts";
import type { SpawnedTask } from "../definition/unit_of_work.ts";
import { checkedPayload, voFor } from "../publish/publisher.ts";
import { boundId } from "../wire/delivery.ts";
import { createHash } from "node:crypto";

/** Most children of one parent: their list is one row of the ledger. */
export const MAX_CHILDREN = 20_000;

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

/**
 * The children of one run, buffered until it has committed.
 *
 * A child's id follows from the parent's and from the child's own content, never from its position alone: a second run that sees
 * other CEs must not give one child's id to another.
 */
export class Children implements AmbientPublisher {
  readonly #parentId: string;
  readonly #parentVo: string;
  readonly #maxPayloadBytes: number;
  readonly #spawned = new Map<string, SpawnedTask>();
  readonly #equals = new Map<string, number>();
  readonly #checks: Promise<unknown>[] = [];

  constructor(parentId: string, parentVo: string, maxPayloadBytes: number) {
    this.#parentId = parentId;
    this.#parentVo = parentVo;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /** Buffers a child and answers its id. Throws `PayloadRefusedError`, `InvalidNameError`, and `RangeError` beyond {@linkcode MAX_CHILDREN}. */
  spawn<Payload extends JsonObject>(
    task: PublishableTask<Payload>,
    payload: Payload,
    options: SpawnOptions = {},
  ): string {
    const vo = voFor(task, task.per === "all" ? undefined : (options.vo ?? this.#parentVo));
    const problem = sizeProblem(payload);
    if (problem !== undefined) throw new PayloadRefusedError(task.name, problem);
    const checked = checkPayload(task, payload);
    if (checked instanceof Promise) this.#checks.push(checked);
    const text = JSON.stringify(payload);
    if (text.length > this.#maxPayloadBytes) {
      throw new PayloadRefusedError(
        task.name,
        `it has ${text.length} characters of JSON; ${this.#maxPayloadBytes} bytes are the limit`,
      );
    }
    return this.#add({ task: task.name, vo, payload }, options);
  }

  async schedule<Payload extends JsonObject>(
    task: PublishableTask<Payload>,
    options: ScheduleOptions<Payload>,
  ): Promise<string> {
    const payload = await checkedPayload(task, options.payload, this.#maxPayloadBytes);
    const vo = voFor(task, task.per === "all" ? undefined : (options.vo ?? this.#parentVo));
    return this.#add({ task: task.name, vo, payload }, options);
  }

  /** All children, once asynchronous schemas have spoken. Throws `PayloadRefusedError`. */
  async seal(): Promise<readonly SpawnedTask[]> {
    await Promise.all(this.#checks);
    return [...this.#spawned.values()];
  }

  #add({ task, vo, payload }: Omit<SpawnedTask, "taskId">, { key, at }: SpawnOptions): string {
    if (this.#spawned.size >= MAX_CHILDREN) {
      throw new RangeError(
        `Cannot spawn ${task}: this run has ${MAX_CHILDREN} children already, the most there may be`,
      );
    }
    const taskId = this.#idOf(task, vo, key ?? this.#keyOf(task, vo, payload));
    if (this.#spawned.has(taskId)) {
      throw new RangeError(
        `Cannot spawn ${task}: its key ${JSON.stringify(key)} was used in this run; give each child its own`,
      );
    }
    const startAt = at === undefined ? {} : { startAt: at.toISOString() };
    this.#spawned.set(taskId, { taskId, task, vo, payload, ...startAt });
    return taskId;
  }

  #keyOf(task: string, vo: string, payload: JsonObject): string {
    const content = `${task}/${hash(`${vo}/${canonicalJson(payload)}`)}`;
    const number = this.#equals.get(content) ?? 0;
    this.#equals.set(content, number + 1);
    return `${content}/${number}`;
  }

  #idOf(task: string, vo: string, key: string): string {
    if (vo === this.#parentVo) return boundId(`${this.#parentId}/${key}`);
    // The id of an occurrence names its VO, and a child in another VO must not seem to belong to its parent's.
    return boundId(`${task}/${vo}/${hash(`${this.#parentId}/${key}`)}`);
  }
}
