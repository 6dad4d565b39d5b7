import type { MsgHdrs } from "@nats-io/nats-core";
import type { AnyGroupOptions, GroupChild } from "../definition/group.ts";
import type { AmbientPublisher } from "../definition/ambient.ts";
import { canonicalJson, type JsonObject } from "../definition/json.ts";
import { checkPayload, PayloadRefusedError, sizeProblem } from "../definition/payload.ts";
import type { PublishableTask, ScheduleOptions, SpawnOptions } from "../definition/publishable.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import type { Around, TaskMessage } from "../definition/middleware.ts";
import { messageSeen, startAtOf, statedKeep, statedVersion, voFor, withHeaders } from "../definition/prepare.ts";
import { checkOwnHeaders, type OwnHeaders, traceHeadersOf } from "../format/own_headers.ts";
import { checkAddress } from "../format/subject.ts";
import { type CheckedChild, childIdOf, hash, type PlannedChild, planGroup } from "./plan_group.ts";

/** Largest number of children of one parent. Their list is one row of the ledger. */
export const MAX_CHILDREN = 20_000;

function toError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause), { cause });
}

const NONE: readonly SpawnedTask[] = [];

/** What a run's children take from it. */
export interface Parent {
  readonly taskId: string;
  readonly vo: string;
  /** The headers of its message. */
  readonly headers?: MsgHdrs | undefined;
  /** Largest payload of a child, bytes of JSON. */
  readonly maxPayloadBytes: number;
  /** Runs around each child before it is added; absent: nothing does. */
  readonly aroundPublish?: Around<TaskMessage> | undefined;
}

/**
 * The children of one run, buffered until the run has committed.
 *
 * A child's id follows from the parent's id and from the child's own content, never from its position alone. A second run that sees
 * other CEs must not give the id of one child to another.
 */
export class Children implements AmbientPublisher {
  readonly #parent: Parent;
  // Each is made for the first child, since most runs have none.
  #spawned: Map<string, SpawnedTask> | undefined;
  #equals: Map<string, number> | undefined;
  #checks: Promise<Error | undefined>[] | undefined;
  /** The trace that the children belong to. `#put` reads it from the parent's message for the first child. */
  #trace: OwnHeaders | undefined;

  constructor(parent: Parent) {
    this.#parent = parent;
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

  /**
   * Returns all children once asynchronous schemas have checked them, and middlewares have let them pass. Rejects with
   * `PayloadRefusedError`, and with what a middleware throws. Returns no promise where there is nothing to wait for.
   */
  seal(): readonly SpawnedTask[] | Promise<readonly SpawnedTask[]> {
    return this.#checks === undefined ? this.#all() : this.#whenChecked(this.#checks);
  }

  #all(): readonly SpawnedTask[] {
    return this.#spawned === undefined ? NONE : [...this.#spawned.values()];
  }

  async #whenChecked(checks: readonly Promise<Error | undefined>[]): Promise<readonly SpawnedTask[]> {
    for (const check of checks) {
      const refusal = await check;
      if (refusal !== undefined) throw refusal;
    }
    return this.#all();
  }

  /**
   * Buffers the children of a group and its callback, and returns the group's id. `nowMs` is when the run asks for it.
   *
   * Throws what {@linkcode spawn} throws, and `RangeError` for a key that is there twice and for a deadline that cannot be.
   */
  spawnGroup(children: readonly GroupChild[], options: AnyGroupOptions, nowMs: number): string {
    const { then } = options;
    const callback: Exclude<AnyGroupOptions["then"], PublishableTask> = "name" in then ? { task: then } : then;
    const planned = planGroup({
      parentId: this.#parent.taskId,
      parentVo: this.#parent.vo,
      children: children.map((child) => ({
        ...this.#checked(child.task, child.payload ?? {}, child),
        ...keyAndStart(child),
        ...ownHeaders(child),
      })),
      then: this.#checked(callback.task, callback.payload ?? {}, callback),
      options,
      nowMs,
      numberOf: (content) => this.#numberAmongEquals(content),
    });
    for (const task of planned.tasks) this.#put(task, options.key);
    return planned.id;
  }

  #buffer(task: PublishableTask, payload: JsonObject, options: SpawnOptions): string {
    const { key, at } = options;
    const checked = this.#checked(task, payload, options);
    const taskId = this.#childId(checked, key ?? this.#keyOf(checked));
    const startAt = at === undefined ? {} : { startAt: startAtOf(at) };
    return this.#put({ taskId, ...checked, ...startAt, ...ownHeaders(options) }, key);
  }

  /** A copy of a child without its id. */
  #checked(task: PublishableTask, payload: JsonObject, asked: Pick<SpawnOptions, "vo" | "keepResult">): CheckedChild {
    const vo = voFor(task, task.per === "all" ? undefined : (asked.vo ?? this.#parent.vo));
    const problem = sizeProblem(payload);
    if (problem !== undefined) throw new PayloadRefusedError(task.name, problem);
    const checked = checkPayload(task, payload);
    // A refusal is kept and thrown at the run's end. Until then nobody would handle the rejected promise.
    if (checked instanceof Promise) this.#check(checked.then(() => undefined, toError));
    const text = JSON.stringify(payload);
    const bytes = Buffer.byteLength(text);
    if (bytes > this.#parent.maxPayloadBytes) {
      const limit = this.#parent.maxPayloadBytes;
      throw new PayloadRefusedError(task.name, `it has ${bytes} bytes of JSON; ${limit} are the limit`);
    }
    checkAddress({ task: task.name, vo });
    return { task: task.name, vo, payload: JSON.parse(text), ...statedVersion(task), ...statedKeep(task, asked) };
  }

  #put(child: SpawnedTask, key: string | undefined): string {
    const { task, taskId } = child;
    this.#spawned ??= new Map();
    if (this.#spawned.size >= MAX_CHILDREN) {
      throw new RangeError(`Cannot spawn ${task}: this run has ${MAX_CHILDREN} children already, which is the limit`);
    }
    if (this.#spawned.has(taskId)) {
      throw new RangeError(
        `Cannot spawn ${task}: its key ${JSON.stringify(key)} was used in this run; give each child its own`,
      );
    }
    this.#trace ??= traceHeadersOf(this.#parent.headers);
    const own = child.headers === undefined ? this.#trace : checkOwnHeaders({ ...this.#trace, ...child.headers });
    this.#spawned.set(taskId, withHeaders(child, own));
    const around = this.#parent.aroundPublish;
    // Begun here, where the caller's own context is the present one.
    if (around !== undefined) this.#check(this.#passThrough(around, child, own));
    return taskId;
  }

  #check(check: Promise<Error | undefined>): void {
    this.#checks ??= [];
    this.#checks.push(check);
  }

  /** Lets the middlewares see a child, which has its place already, and takes over the headers that they give it. */
  async #passThrough(around: Around<TaskMessage>, child: SpawnedTask, own: OwnHeaders): Promise<Error | undefined> {
    const message = messageSeen(child, own, this.#parent.taskId);
    try {
      await around(message, async () => {
        this.#spawned?.set(child.taskId, withHeaders(child, checkOwnHeaders({ ...message.headers })));
      });
      return undefined;
    } catch (error) {
      return toError(error);
    }
  }

  #numberAmongEquals(content: string): number {
    this.#equals ??= new Map();
    const number = this.#equals.get(content) ?? 0;
    this.#equals.set(content, number + 1);
    return number;
  }

  #keyOf({ task, vo, payload }: CheckedChild): string {
    const content = `${task}/${hash(`${vo}/${canonicalJson(payload)}`)}`;
    return `${content}/${this.#numberAmongEquals(content)}`;
  }

  #childId(child: CheckedChild, key: string): string {
    return childIdOf({ parentId: this.#parent.taskId, parentVo: this.#parent.vo }, child, key);
  }
}

function keyAndStart({ key, at }: Pick<GroupChild, "key" | "at">): Pick<PlannedChild, "key" | "startAt"> {
  return { ...(key !== undefined && { key }), ...(at !== undefined && { startAt: startAtOf(at) }) };
}

function ownHeaders({ headers }: Pick<SpawnOptions, "headers">): Pick<SpawnedTask, "headers"> {
  return headers === undefined ? {} : { headers: checkOwnHeaders(headers) };
}
