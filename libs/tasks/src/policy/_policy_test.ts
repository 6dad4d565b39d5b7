import { atLeastOnceFactory } from "../definition/task.ts";
import { PRIORITIES, type Priority } from "../definition/traits.ts";
import { Lane } from "./lane.ts";
import { Permits } from "./permits.ts";
import { Policy, type Pull } from "./policy.ts";

const define = atLeastOnceFactory();
const definitions = new Map(
  PRIORITIES.map((priority) => [priority, define({ name: `Task_${priority}`, per: "vo", priority, execute() {} })]),
);

/** A lane that has no work: what it has is told by the test. */
export function laneOf(vo: string, priority: Priority = "normal", number = 0): Lane {
  const definition = definitions.get(priority);
  if (definition === undefined) throw new Error(`Cannot make a lane: no priority "${priority}"`);
  const lane = new Lane({ number, definition, vo, consumer: `${definition.name}__${vo}`, subject: `tasks.${vo}` });
  lane.pull(1, 1, 0);
  lane.empty(0);
  return lane;
}

/** A task in hand as far as the policy looks at it. */
export interface Task {
  readonly lane: Lane;
  readonly received: {
    readonly definition: { readonly priority: Priority };
    readonly subject: string;
    readonly vo: string;
  };
}

export function taskOf(lane: Lane): Task {
  const { definition, vo, subject } = lane;
  return { lane, received: { definition, vo, subject: `${definition.priority} ${subject}` } };
}

/** A policy with `count` permits, and what it is told of the worker. */
export function openPolicy(count: number, weights: Readonly<Record<string, number>> = {}) {
  const permits = new Permits(count);
  const worker = { arrived: 0, waiting: 0, isClosed: false, isReplicated: false };
  const policy = new Policy<Task>({
    permits,
    arrived: () => worker.arrived,
    waiting: () => worker.waiting,
    isClosed: () => worker.isClosed,
    weightOf: (vo) => weights[vo] ?? 1,
    isReplicated: () => worker.isReplicated,
  });
  let sequence = 0;
  /** A lane with so many messages waiting. */
  function lane(vo: string, priority: Priority, pending: number): Lane {
    const made = laneOf(vo, priority, 0);
    policy.lanes.add(made);
    for (let each = 0; each < pending; each++) made.wake(++sequence);
    return made;
  }
  /** All pulls that the policy has now. */
  function pulls(nowMs = 0): Pull[] {
    const all: Pull[] = [];
    for (let pull = policy.nextPull(nowMs); pull !== undefined; pull = policy.nextPull(nowMs)) all.push(pull);
    return all;
  }
  /** Brings the next message of a lane into the buffer. */
  function bring(of: Lane, pending: number, nowMs = 0): void {
    policy.lanes.delivered(of, { count: 1, streamSequence: ++sequence, pending }, nowMs);
    policy.buffer.add(taskOf(of));
  }
  /** Starts all that may start now. */
  function starts(): Task[] {
    const all: Task[] = [];
    for (let task = policy.nextStart(); task !== undefined; task = policy.nextStart()) {
      permits.take();
      all.push(task);
    }
    return all;
  }
  return { policy, permits, worker, lane, pulls, bring, starts };
}

/** Pulls as `VO: count`. */
export function show(pulls: readonly Pull[]): string {
  return pulls.map(({ lane, count, kind }) => `${lane.vo}: ${kind === "now" ? count : "stands"}`).join(", ");
}
