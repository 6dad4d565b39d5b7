import type { Publisher } from "@muster/tasks";
import { setTimeout as pause } from "node:timers/promises";
import { until } from "../support/until.ts";
import { type countTask, type Kind, KINDS } from "./count_task.ts";

export const VO = "lhcb";
/** Time between two publishes, ms. */
const PUBLISH_MS = 60;
/** How long a delayed task waits, ms. */
const LATER_MS = 1_000;

/** Publishes tasks of each kind in turn, without a break, until it is stopped. */
export interface Feed {
  /** Ids of the tasks that were acknowledged. */
  readonly acknowledged: ReadonlySet<string>;
  /** A task has run that the feed published. */
  noteRun(taskId: string): void;
  /**
   * Resolves once a task of this kind has run of those that were published after the call. Returns the time that this took, ms.
   *
   * What was on its way to a server that died comes back after its ack wait, so no single task tells how long the others waited.
   */
  goesOn(kind: Kind): Promise<number>;
  /** Publishes no more, and waits for all answers. */
  stop(): Promise<void>;
}

/** Starts to publish. */
export function startFeed(publisher: Publisher, task: ReturnType<typeof countTask>): Feed {
  const acknowledged = new Set<string>();
  /** When each task was published, by `performance.now()`. */
  const publishedAtMs = new Map<string, number>();
  /** When the newest task of each kind that has run was published. */
  const newestRunMs = new Map<Kind, number>();
  const publishing = new Set<Promise<void>>();
  let isOver = false;

  async function publish(kind: Kind, number: number): Promise<void> {
    const taskId = `${kind}-${number}`;
    publishedAtMs.set(taskId, performance.now());
    const at = kind === "later" ? { at: new Date(Date.now() + LATER_MS) } : {};
    await publisher.publish(task, { vo: VO, taskId, payload: { kind }, ...at });
    acknowledged.add(taskId);
  }

  async function publishOn(): Promise<void> {
    for (let number = 0; !isOver; number++) {
      const one = publish(KINDS[number % KINDS.length] ?? "now", number).catch(() => {
        // A publish that is not answered for 20 s is in doubt, and proves nothing.
      });
      publishing.add(one);
      void one.finally(() => publishing.delete(one));
      await pause(PUBLISH_MS);
    }
    await Promise.all(publishing);
  }

  const feeding = publishOn();
  return {
    acknowledged,
    noteRun(taskId) {
      const kind = KINDS.find((each) => taskId.startsWith(`${each}-`));
      if (kind === undefined) return;
      newestRunMs.set(kind, Math.max(newestRunMs.get(kind) ?? 0, publishedAtMs.get(taskId) ?? 0));
    },
    async goesOn(kind) {
      const calledAtMs = performance.now();
      const hasRun = async () => ((newestRunMs.get(kind) ?? 0) > calledAtMs ? true : undefined);
      await until(hasRun, `the run of a task of kind "${kind}" that was published since`);
      return performance.now() - calledAtMs;
    },
    async stop() {
      isOver = true;
      await feeding;
    },
  };
}
