// Tested by tests/src/worker/identity_test.ts
// Tested by libs/tasks/src/publish/store_test.ts
import { type AmbientPublisher, withPublisher } from "../definition/ambient.ts";
import type { JsonObject } from "../definition/json.ts";
import type { Given, PublishableTask, PublishOptions } from "../definition/publishable.ts";
import type { Per } from "../definition/traits.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import type { Unique } from "../definition/unique.ts";
import { joinMiddleware, type Middleware } from "../definition/middleware.ts";
import { checkedPayload, payloadBytesIn, type Prepared, prepareTask, voFor } from "../definition/prepare.ts";
import type { Broker } from "../broker/broker.ts";
import type { ResultOf } from "../definition/as_json.ts";
import { boundId, checkTaskId } from "../format/delivery.ts";
import { awaitResult, type ResultOptions } from "../result/await_result.ts";
import { type Handle, handleOf, recallOf, type ResultLedger, resultIn } from "./handle.ts";
import { storeThroughHooks, throughPublishHooks } from "./publish_hooks.ts";
import { type PublishedUnique, storeUnique, waitMsOf } from "./publish_unique.ts";
import { type Published, storeMany, storeOne } from "./store.ts";
import { checkUniqueKey } from "./unique_entry.ts";

/** Publishes tasks over one connection. */
export interface Publisher {
  /**
   * Stores one task and resolves when it is stored. `result()` of what it returns waits for the task's result.
   *
   * Throws `InvalidNameError`, `PayloadRefusedError`, what JetStream refuses, and `PublishUnknownError` after 20 s without an answer. Throws what a
   * middleware throws, and `StoredAllTheSameError` where it has done so after the task was stored.
   */
  publish<Input extends JsonObject, P extends Per, Task extends PublishableTask<Input, P>>(
    task: Task & PublishableTask<Input, P>,
    ...options: Given<PublishOptions<NoInfer<Input>, NoInfer<P>>>
  ): Promise<Handle<ResultOf<Task>>>;
  /**
   * Stores many tasks, and returns their receipts in order. Stores everything that can be stored, and then throws the first refusal.
   *
   * Where the server writes each message to the disk, all after the first 500 go in batches (decision 24).
   */
  publishMany<Input extends JsonObject, P extends Per>(
    task: PublishableTask<Input, P>,
    many: Iterable<PublishOptions<NoInfer<Input>, NoInfer<P>>>,
  ): Promise<readonly Published[]>;
  /**
   * Waits for the result of a task that somebody has published, by its id. `vo` helps to tell that its message is gone. Throws what
   * `Handle.result` throws.
   */
  resultOf<Task extends PublishableTask>(
    task: Task,
    taskId: string,
    options?: ResultOptions & { readonly vo?: string },
  ): Promise<ResultOf<Task>>;
  /** Runs `work` with this publisher behind every `task.schedule()` in it. */
  run<T>(work: () => T): T;
}

/**
 * Checks what can be known of a task before any server is asked.
 *
 * Throws `InvalidNameError` and `PayloadRefusedError`.
 */
export async function checkPublishable<Input extends JsonObject>(
  task: PublishableTask<Input>,
  { vo, payload }: { readonly vo?: string; readonly payload?: NoInfer<Input> },
): Promise<void> {
  voFor(task, vo);
  await checkedPayload(task, payload, Number.POSITIVE_INFINITY);
}

/** Size of the largest payload that `broker` accepts, bytes of JSON. */
export function maxPayloadBytes(broker: Broker): number {
  return payloadBytesIn(broker.nc.info?.max_payload);
}

/** What a publisher uses beside its broker. */
export interface PublisherOptions {
  /**
   * The ledger of the tasks, where the caller has one. It tells the ends of tasks whose results are not kept, or have lapsed. With it a late
   * repeat of a unique task that has ended takes nobody's place.
   */
  readonly ledger?: ResultLedger;
  /** Runs around each publish, the first outermost. Default: none. */
  readonly middleware?: readonly Middleware[];
}

/** When a task of a key starts, where it is debounced. Throws `InvalidNameError` and `RangeError`. */
function startOf({ name }: PublishableTask, unique: Unique, { at }: PublishOptions): Pick<PublishOptions, "at"> {
  checkUniqueKey(unique.key);
  if (unique.mode !== "debounce") return {};
  if (at === undefined) return { at: new Date(Date.now() + waitMsOf(name, unique.wait)) };
  throw new RangeError(`Cannot publish ${name} at a time and debounced: leave out \`at\`, or take the mode "replace"`);
}

/** Stores one task, under its key where it has one. */
async function storeAs(
  broker: Broker,
  task: SpawnedTask,
  { unique, ledger }: { readonly unique: Unique | undefined; readonly ledger: ResultLedger | undefined },
): Promise<PublishedUnique> {
  if (unique !== undefined) return await storeUnique(broker, task, { unique, ledger });
  return { published: await storeOne(broker, task), keepResultMs: task.keepResultMs };
}

/** A publisher over `broker`, whose connection stays the caller's. Throws `TypeError` for two middlewares of one name. */
export function createPublisher(broker: Broker, { ledger, middleware }: PublisherOptions = {}): Publisher {
  const { publish: around } = joinMiddleware(middleware);
  const outgoing = (task: PublishableTask, options: PublishOptions) =>
    prepareTask(task, options, maxPayloadBytes(broker));

  /** One of many, which is stored together with others. */
  async function outgoingOfMany(task: PublishableTask, options: PublishOptions): Promise<Prepared> {
    const prepared = await outgoing(task, options);
    if (around === undefined) return prepared;
    return { ...prepared, task: await throughPublishHooks(around, prepared.task, async (seen) => seen) };
  }

  async function publish<Task extends PublishableTask>(
    task: Task,
    { unique, ...options }: PublishOptions = {},
  ): Promise<Handle<ResultOf<Task>>> {
    const start = unique === undefined ? {} : startOf(task, unique, options);
    const { task: outgone } = await outgoing(task, { ...options, ...start });
    const address = { task: outgone.task, vo: outgone.vo };
    const { published, keepResultMs } = await storeThroughHooks(around, outgone, (seen) =>
      storeAs(broker, seen, { unique, ledger }),
    );
    return handleOf(published, { broker, ledger, address, isKept: keepResultMs !== undefined });
  }

  const ambient: AmbientPublisher = {
    schedule: async (task, options) => (await publish(task, options)).taskId,
  };
  return {
    publish,
    async resultOf(task, taskId, { vo, ...options } = {}) {
      const address = task.per === "vo" && vo === undefined ? undefined : { task: task.name, vo: voFor(task, vo) };
      const id = boundId(checkTaskId(taskId));
      return resultIn(id, await awaitResult(broker, { taskId: id, address, ...recallOf(ledger) }, options));
    },
    publishMany: (task, many) => storeMany(broker, many, (options) => outgoingOfMany(task, options)),
    run: (work) => withPublisher(ambient, work),
  };
}
