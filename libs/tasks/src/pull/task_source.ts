import type { AnyTask } from "../definition/task.ts";
import type { Broker } from "../broker/broker.ts";
import type { ConfigurationWatch } from "../configuration/configuration_watch.ts";
import type { Buffered } from "../policy/buffer.ts";
import type { Policy } from "../policy/policy.ts";
import type { ReceivedTask } from "./received_task.ts";

/** What a source asks the policy, and where it reports. */
export type PullPolicy = Pick<Policy<Buffered>, "lanes" | "nextPull" | "room" | "hasRoom" | "lookFirst" | "looked">;

/**
 * Where a worker's tasks come from: however the stream is sliced into consumers stays behind this.
 *
 * What is pulled, and when, is the policy's business. The source carries it out and reports what came.
 */
export interface TaskSource {
  /** Opens the pulls that the policy has now. */
  pump(nowMs: number): void;
  /** A task of this worker has ended. */
  noteMove(): void;
  /** Forgets what was asked of a connection that is gone, and looks anew. */
  reconnected(): void;
  /** Stops pulling and listening. Settles when no pull is open any more; what still arrived was given to `take`. */
  stop(): Promise<void>;
  /** Tells other workers that tasks were handed back to them. */
  announceHandBack(tasks: Iterable<ReceivedTask>): void;
  /** When the broker last answered us, by `performance.now()`. */
  lastAnswerAtMs(): number;
}

export interface TaskSourceOptions {
  readonly broker: Broker;
  readonly tasks: readonly AnyTask[];
  readonly configuration: ConfigurationWatch;
  readonly policy: PullPolicy;
  /** Takes what was pulled. Messages of one network read come one after the other, without a turn of the event loop between them. */
  take(task: ReceivedTask): void;
  /** Hands back at once what came when there was no room left. */
  handBack(task: ReceivedTask): void;
  /** The policy has heard something: it may have pulls to be opened, and tasks to be started. */
  onNews(): void;
}
