import type { AmbientPublisher } from "../definition/ambient.ts";
import { canonicalJson, type JsonObject } from "../definition/json.ts";
import { checkPayload, PayloadRefusedError, sizeProblem } from "../definition/payload.ts";
import type { PublishableTask, ScheduleOptions, SpawnOptions } from "../definition/publishable.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import { startAtOf, statedKeep, statedVersion, voFor } from "../definition/prepare.ts";
import { boundId, checkTaskId } from "../format/delivery.ts";
import { checkAddress } from "../format/subject.ts";
import { createHash } from "node:crypto";

/** Largest number of children of one parent. Their list is one row of the ledger. */
export const MAX_CHILDREN = 20_000;

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

function toError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause), { cause });
}

/**
 * The children of one run, buffered until the run has committed.
 *
 * A child's id follows from the parent's id and from the child's own content, never from its position alone. A second run that sees
 * other CEs must not give the id of one child to another.
 */
export class Children implements AmbientPublisher {
  readonly #parentId: string;
  readonly #parentVo: string;
  readonly #maxPayloadBytes: number;
  readonly #spawned = new Map<string, SpawnedTask>();
  readonly #equals = new Map<string, number>();
  readonly #checks: Promise<Error | undefined>[] = [];

  constructor(parentId: string, parentVo: string, maxPayloadBytes: number) {
    this.#parentId = parentId;
    this.#parentVo = parentVo;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /**
   * Buffers a child with a copy of its payload, and returns its id. A child that cannot be published is refused here, since a refusal
   * after the commit would be too late.
   *
   * Throws `PayloadRefusedError`, `InvalidNameError`, and `RangeError` beyond {@linkcode MAX_CHILDREN}.
   */
  spawn(task: PublishableTask, payload: JsonObject, options: SpawnOptions = {}): string {
    return this.#buffer(task, payload, options);
  }

  /** Does the same as {@linkcode spawn}. The child is buffered at once, so it belongs to this run even if nobody awaits the promise. */
  async schedule(task: PublishableTask, options: ScheduleOptions): Promise<string> {
    return this.#buffer(task, options.payload ?? {}, options);
  }

  /** Returns all children once asynchronous schemas have checked them. Throws `PayloadRefusedError`. */
  async seal(): Promise<readonly SpawnedTask[]> {
    for (const check of this.#checks) {
      const refusal = await check;
      if (refusal !== undefined) throw refusal;
    }
    return [...this.#spawned.values()];
  }

  #buffer(task: PublishableTask, payload: JsonObject, options: SpawnOptions): string {
    const vo = voFor(task, task.per === "all" ? undefined : (options.vo ?? this.#parentVo));
    const problem = sizeProblem(payload);
    if (problem !== undefined) throw new PayloadRefusedError(task.name, problem);
    const checked = checkPayload(task, payload);
    // A refusal is kept and thrown at the run's end. Until then nobody would handle the rejected promise.
    if (checked instanceof Promise) this.#checks.push(checked.then(() => undefined, toError));
    const text = JSON.stringify(payload);
    const bytes = Buffer.byteLength(text);
    if (bytes > this.#maxPayloadBytes) {
      const limit = this.#maxPayloadBytes;
      throw new PayloadRefusedError(task.name, `it has ${bytes} bytes of JSON; ${limit} are the limit`);
    }
    const stated = { ...statedVersion(task), ...statedKeep(task, options) };
    return this.#add({ task: task.name, vo, payload: JSON.parse(text), ...stated }, options);
  }

  #add({ task, vo, payload, ...stated }: Omit<SpawnedTask, "taskId">, { key, at }: SpawnOptions): string {
    if (this.#spawned.size >= MAX_CHILDREN) {
      throw new RangeError(`Cannot spawn ${task}: this run has ${MAX_CHILDREN} children already, which is the limit`);
    }
    checkAddress({ task, vo });
    const taskId = checkTaskId(this.#idOf(task, vo, key ?? this.#keyOf(task, vo, payload)));
    if (this.#spawned.has(taskId)) {
      throw new RangeError(
        `Cannot spawn ${task}: its key ${JSON.stringify(key)} was used in this run; give each child its own`,
      );
    }
    const startAt = at === undefined ? {} : { startAt: startAtOf(at) };
    this.#spawned.set(taskId, { taskId, task, vo, payload, ...stated, ...startAt });
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
    // The id of an occurrence names its VO. A child in another VO must not seem to belong to the VO of its parent.
    return boundId(`${task}/${vo}/${hash(`${this.#parentId}/${key}`)}`);
  }
}
