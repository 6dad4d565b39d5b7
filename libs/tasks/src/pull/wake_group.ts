import type { Msg, NatsConnection } from "@nats-io/nats-core";
import type { AnyTask } from "../definition/task.ts";
import { headerOf, readHeaders } from "../format/headers.ts";
import { subscribeLasting } from "../connection/lasting_subscription.ts";

/** Header that the server puts on each message that TASKS republishes: the sequence of the stored message. */
const SEQUENCE = "Nats-Sequence";

export interface Wake {
  readonly task: string;
  readonly vo: string;
  /** Sequence of the message that was stored; undefined: a task was handed back, or the headers cannot be read. */
  readonly sequence: number | undefined;
}

/**
 * Membership in the queue groups. Through them one of all workers hears of each stored task.
 *
 * A worker without free permits leaves, so that the wake reaches a worker that can act on it.
 */
export interface WakeGroup {
  readonly joined: boolean;
  join(): void;
  leave(): void;
}

/** Makes a membership that is not joined yet. `hear` is called for each wake while it is joined. */
export function wakeGroup(nc: NatsConnection, tasks: readonly AnyTask[], hear: (wake: Wake) => void): WakeGroup {
  let subscriptions: readonly Disposable[] = [];

  function receive(task: string, message: Msg): void {
    const sequence = Number(headerOf(readHeaders(message).headers, SEQUENCE) || Number.NaN);
    const vo = message.subject.slice("wake.".length + task.length + 1);
    hear({ task, vo, sequence: Number.isNaN(sequence) ? undefined : sequence });
  }

  return {
    get joined() {
      return subscriptions.length > 0;
    },
    join() {
      if (subscriptions.length > 0) return;
      subscriptions = tasks.map(({ name }) =>
        // Where the permissions forbid this subscription, the survey still finds the task about a second later.
        subscribeLasting(nc, { subject: `wake.${name}.>`, queue: name }, (message) => receive(name, message)),
      );
    },
    leave() {
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
      subscriptions = [];
    },
  };
}
