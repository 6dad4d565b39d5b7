import type { Broker } from "@muster/tasks";
import { listQueuePauses, listWaiting, pausesHolding, type QueuePause, type Waiting } from "@muster/tasks/operate";
import { sumOf } from "../print/sum_up.ts";

/** What waits of one task and VO, and the pauses that hold it. */
export type Queue<Figures extends Waiting = Waiting> = Figures & { readonly pauses: readonly QueuePause[] };

/** A pause, and how much waits because of it. */
export interface HeldBy {
  readonly pause: QueuePause;
  /** Number of tasks in TASKS that it holds. A few may run: they began before. */
  readonly ready: number;
  readonly delayed: number;
}

export interface Queues<Figures extends Waiting = Waiting> {
  readonly queues: readonly Queue<Figures>[];
  readonly pauses: readonly HeldBy[];
}

/** Reads what waits and what is paused. Throws when nobody answers. */
export async function readQueues(broker: Broker): Promise<Queues> {
  return held(await listQueuePauses(broker), await listWaiting(broker));
}

/** Tells for each queue which pauses hold it, and for each pause what waits because of it. */
export function held<Figures extends Waiting>(
  pauses: readonly QueuePause[],
  waiting: readonly Figures[],
): Queues<Figures> {
  const queues = waiting.map((each) => ({ ...each, pauses: pausesHolding(pauses, each.task, each.vo) }));
  return {
    queues,
    pauses: pauses.map((pause) => {
      const held = queues.filter((queue) => queue.pauses.includes(pause));
      return { pause, ready: sumOf(held, ({ ready }) => ready), delayed: sumOf(held, ({ delayed }) => delayed) };
    }),
  };
}

/** A pause as JSON has it: a task or VO that it does not name is null. */
export function jsonOfPause({ target: { task, vo }, note }: QueuePause): object {
  return { task: task ?? null, vo: vo ?? null, ...note };
}

/** A pause as JSON has it, with how much waits because of it. */
export function jsonOfHeld({ pause, ready, delayed }: HeldBy): object {
  return { ...jsonOfPause(pause), ready, delayed };
}
