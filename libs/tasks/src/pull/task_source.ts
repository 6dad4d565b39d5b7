import type { AnyTask, Priority } from "../definition/task.ts";
import type { Broker } from "../broker/broker.ts";
import type { ConfigurationWatch } from "../configuration/configuration_watch.ts";
import type { ReceivedTask } from "./received_task.ts";

/**
 * Where a worker's tasks come from: however the stream is sliced into consumers stays behind this.
 *
 * Strict priority and fair VOs are the source's business; how many tasks may be in hand is the worker's.
 */
export interface TaskSource {
  /** Looks for work within the worker's room; call it whenever room grows. */
  pump(): void;
  /** Forgets what was asked of a connection that is gone, and looks anew. */
  reconnected(): void;
  /** Stops pulling and listening. Settles when no pull is open any more; what still arrived was given to `take`. */
  stop(): Promise<void>;
  /** Tells other workers that tasks were handed back to them. */
  announceHandBack(tasks: Iterable<ReceivedTask>): void;
  /** How many tasks of a higher priority than this are on their way here; `Infinity` while more of them wait than have been asked for. */
  awaitedAbove(priority: Priority): number;
  /** When the broker last answered us, by `performance.now()`. */
  lastAnswerAtMs(): number;
}

export interface TaskSourceOptions {
  readonly broker: Broker;
  readonly tasks: readonly AnyTask[];
  readonly configuration: ConfigurationWatch;
  /** How many more tasks the worker would take in hand now. */
  room(): number;
  /** Whether the worker has nothing to do and nothing in hand. */
  isIdle(): boolean;
  /** Whether so much of this priority, or of higher ones, is ready in hand that a pull may wait until it is for more than a task or two. */
  hasEnough(priority: Priority): boolean;
  /** Takes what was pulled. Messages of one network read come one after the other, without a turn of the event loop between them. */
  take(task: ReceivedTask): void;
  /** Hands back at once what came when there was no room left. */
  handBack(task: ReceivedTask): void;
  /** A pull has ended with less than was asked for: what waits in hand for something better need not wait any more. */
  cameShort(): void;
}
