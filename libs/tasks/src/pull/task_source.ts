import type { AnyTask } from "../definition/task.ts";
import type { Broker } from "../broker/broker.ts";
import type { ConfigurationWatch } from "../configuration/configuration_watch.ts";
import type { Buffered } from "../policy/buffer.ts";
import type { Policy } from "../policy/policy.ts";
import type { ReceivedTask } from "./received_task.ts";

/** The part of the policy that a source asks and reports to. */
export type PullPolicy = Pick<
  Policy<Buffered>,
  "lanes" | "nextPull" | "room" | "hasRoom" | "turnMs" | "lookFirst" | "looked"
>;

/** What others are told of a task that was handed back. */
export type HandedBack = Pick<ReceivedTask, "definition" | "vo">;

/**
 * Where a worker's tasks come from. The worker does not know into which consumers the stream is divided.
 *
 * The policy decides what is pulled, and when. The source opens those pulls and reports what came.
 */
export interface TaskSource {
  /** Opens the pulls that the policy has now. */
  pump(nowMs: number): void;
  /** A task of this worker has ended. */
  noteMove(): void;
  /** Forgets the pulls of the lost connection, and makes a survey. */
  reconnected(): void;
  /** Stops pulling and listening. Settles when no pull is open any more. What still arrived was given to `take`. */
  stop(): Promise<void>;
  /** Tells other workers that tasks were handed back to them. */
  announceHandBack(tasks: Iterable<HandedBack>): void;
  /** Takes over what the configuration and the pauses say now of each lane. */
  review(): void;
  /** The task that this subject means, as the configuration has it now; undefined: it is not served any more. */
  definitionOf(subject: string): AnyTask | undefined;
  /** When the broker last answered us, by `performance.now()`. */
  lastAnswerAtMs(): number;
  /** Why some of its tasks cannot be taken, one line each. Costs no request. */
  problems(): readonly string[];
}

export interface TaskSourceOptions {
  readonly broker: Broker;
  readonly tasks: readonly AnyTask[];
  readonly configuration: ConfigurationWatch;
  readonly policy: PullPolicy;
  /** The task as the configuration has it for a VO. */
  inForce(task: AnyTask, vo: string): AnyTask;
  /** Whether no new task of it is to be taken. */
  isPaused(task: string, vo: string): boolean;
  /** Takes what was pulled. Messages of one network read come one after the other, in one turn of the event loop. */
  take(task: ReceivedTask): void;
  /** Hands back at once a task that came when no room was left. */
  handBack(task: ReceivedTask): void;
  /** The policy has news. It may now have pulls to open and tasks to start. */
  onNews(): void;
}
