import type { Broker } from "../broker/broker.ts";
import type { Cancellations } from "../cancel/cancellations.ts";
import type { ConfigurationWatch } from "../configuration/configuration_watch.ts";
import type { LimitsInForce } from "../configuration/limits_in_force.ts";
import type { AnyTask } from "../definition/task.ts";
import type { Ledger } from "../definition/ledger.ts";
import type { JoinedMiddleware } from "../definition/middleware.ts";
import type { Keeper } from "../keeper/keeper.ts";
import type { Locks } from "../locks/locks.ts";
import type { DepsInput } from "../run/attempt.ts";
import type { PausesWatch } from "../queue/pauses_watch.ts";
import type { Environment } from "../run/environment.ts";
import type { NewerPayloads } from "../run/newer_payloads.ts";
import type { Threads } from "../run/thread_order.ts";
import type { ThreadCounts } from "../thread/thread_pool.ts";
import type { Solitude } from "./solitude.ts";

/** The parts of which a worker is made. */
export interface WorkerParts {
  readonly broker: Broker;
  readonly keeper: Keeper;
  readonly locks: Locks;
  readonly configuration: ConfigurationWatch;
  readonly cancellations: Cancellations;
  readonly limits: LimitsInForce;
  /** Which tasks and VOs are paused. */
  readonly pauses: PausesWatch;
  /** Unique among all processes, e.g. `submit-worker-host-4711-x3`. */
  readonly name: string;
  readonly tasks: readonly AnyTask[];
  /** Required by tasks whose effect is `once`. */
  readonly ledger: Ledger<unknown> | undefined;
  readonly newerPayloads: NewerPayloads;
  /** Whether the servers do their work. All parts of the process share it. */
  readonly environment: Environment;
  /** Which suspect has the process to itself. All parts of the process share it. */
  readonly solitude: Solitude;
  /** The threads in which the tasks run; undefined: they run in this one. */
  readonly threads?: Threads;
  readonly middleware: JoinedMiddleware;
  deps(input: DepsInput<unknown>): unknown;
  /** Largest number of tasks that run at the same time. */
  readonly permits: number;
  /** Longest time that running tasks may go on once the worker is told to stop, ms. */
  readonly drainMs: number;
}

/** The numbers of tasks that a worker has in hand, and why it takes no more. */
export interface WorkerHealth {
  /** Why no task can be taken now, one line each; empty: ready. */
  readonly problems: readonly string[];
  /** Permits of tasks that run in the worker's own thread. Each thread is a permit of the others. */
  readonly permits: number;
  readonly running: number;
  readonly buffered: number;
  readonly waitingForLocks: number;
  readonly lostPermits: number;
  /** Whether it takes no more tasks, and ends once those in hand have ended. */
  readonly draining: boolean;
  /** Absent: all tasks run in the worker's own thread. */
  readonly threads?: ThreadCounts;
}
