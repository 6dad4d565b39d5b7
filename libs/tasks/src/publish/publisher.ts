// Tested by tests/src/worker/identity_test.ts
// Tested by libs/tasks/src/publish/store_test.ts
import { type AmbientPublisher, withPublisher } from "../definition/ambient.ts";
import type { JsonObject } from "../definition/json.ts";
import type { Given, PublishableTask, PublishOptions } from "../definition/publishable.ts";
import type { Per } from "../definition/traits.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import { checkedPayload, payloadBytesIn, prepareTask, voFor } from "../definition/prepare.ts";
import type { Broker } from "../broker/broker.ts";
import { publishSurely } from "../broker/publish_surely.ts";
import { type Published, storeMany, storeOne } from "./store.ts";
import { messageOf } from "./task_message.ts";

/** Greatest number of children that are published at the same time. */
const IN_FLIGHT = 500;

/** Publishes tasks over one connection. */
export interface Publisher {
  /**
   * Stores one task and resolves when it is stored.
   *
   * Throws `InvalidNameError`, `PayloadRefusedError`, what JetStream refuses, and `PublishUnknownError` after 20 s without an answer.
   */
  publish<Input extends JsonObject, P extends Per>(
    task: PublishableTask<Input, P>,
    ...options: Given<PublishOptions<NoInfer<Input>, NoInfer<P>>>
  ): Promise<Published>;
  /**
   * Stores many tasks, and returns their receipts in order. Stores everything that can be stored, and then throws the first refusal.
   *
   * Where the server writes each message to the disk, all after the first 500 go in batches (decision 24).
   */
  publishMany<Input extends JsonObject, P extends Per>(
    task: PublishableTask<Input, P>,
    many: Iterable<PublishOptions<NoInfer<Input>, NoInfer<P>>>,
  ): Promise<readonly Published[]>;
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

/** A publisher over `broker`, whose connection stays the caller's. */
export function createPublisher(broker: Broker): Publisher {
  const outgoing = (task: PublishableTask, options: PublishOptions) =>
    prepareTask(task, options, maxPayloadBytes(broker));

  async function publish(task: PublishableTask, options: PublishOptions = {}): Promise<Published> {
    return storeOne(broker, (await outgoing(task, options)).task);
  }

  const ambient: AmbientPublisher = {
    schedule: async (task, options) => (await publish(task, options)).taskId,
  };
  return {
    publish,
    publishMany: (task, many) => storeMany(broker, many, (options) => outgoing(task, options)),
    run: (work) => withPublisher(ambient, work),
  };
}

/** Publishes the children of a run that has committed. Their ids stay the same, so a repeat is harmless. */
export async function publishSpawned(broker: Broker, parentId: string, spawned: readonly SpawnedTask[]): Promise<void> {
  for (let at = 0; at < spawned.length; at += IN_FLIGHT) {
    const turn = spawned.slice(at, at + IN_FLIGHT);
    await Promise.all(turn.map((child) => publishSurely(broker, messageOf(child, parentId))));
  }
}
