// Tested by tests/src/cli/follow_test.ts
import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { boundId, checkTaskId } from "../format/delivery.ts";
import { parseProgress, progressKey, type StoredProgress } from "../result/progress.ts";
import { type FindOptions, type FoundTask, findTask, isEnd } from "./find_task.ts";
import { eventsOf, type TaskEvent } from "./task_events.ts";

/** Looks for an end that was heard of, and the pause between two, ms. Its event may be stored a moment after it was heard. */
const END_LOOKS = 20;
const END_LOOK_MS = 100;
/** Time without a word after which the task is looked for again, ms. An event may be lost. */
const LOOK_AGAIN_MS = 10_000;

/** What is told of a task that is followed. */
export type FollowUpdate =
  /** What was known at the beginning. */
  | { readonly kind: "found"; readonly task: FoundTask }
  | { readonly kind: "step"; readonly step: TaskEvent }
  | { readonly kind: "progress"; readonly progress: StoredProgress }
  /** It has ended, or nothing is left that tells of it. This is the last update. */
  | { readonly kind: "ended"; readonly task: FoundTask };

/** What was heard and not told yet. The subscriptions write it, and the generator takes it. */
class Heard {
  readonly #waiting: FollowUpdate[] = [];
  #wake = Promise.withResolvers<void>();

  add(update: FollowUpdate): void {
    this.#waiting.push(update);
    this.#wake.resolve();
  }

  /** Resolves with the next update; undefined after `ms`, or when `signal` aborts. */
  async next(ms: number, signal: AbortSignal | undefined): Promise<FollowUpdate | undefined> {
    const none = Promise.withResolvers<undefined>();
    const end = () => none.resolve(undefined);
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end, { once: true });
    try {
      while (this.#waiting.length === 0) {
        if (signal?.aborted) return undefined;
        this.#wake = Promise.withResolvers();
        const isOver = await Promise.race([this.#wake.promise.then(() => false), none.promise.then(() => true)]);
        if (isOver) return undefined;
      }
      return this.#waiting.shift();
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }
}

function listen({ nc, observer }: Broker, taskId: string, heard: Heard): Disposable {
  const events = nc.subscribe("events.>", {
    callback(error, message) {
      if (error !== null)
        observer.alarm("Cannot hear the steps of tasks; the task is looked for every 10 s", { error });
      for (const { task: _task, vo: _vo, ...step } of error === null ? eventsOf(message.string(), taskId) : [])
        heard.add({ kind: "step", step });
    },
  });
  const progress = nc.subscribe(`$KV.results.${progressKey(taskId)}`, {
    callback(error, message) {
      const told = error === null ? parseProgress(message.string()) : undefined;
      if (told !== undefined) heard.add({ kind: "progress", progress: told });
    },
  });
  return {
    [Symbol.dispose]() {
      events.unsubscribe();
      progress.unsubscribe();
    },
  };
}

/** Whether a task has reached its end, or cannot be told from one that never was. */
function isOver({ state }: FoundTask): boolean {
  return state !== "waiting" && state !== "delayed" && state !== "running";
}

/** `duplicate`: the outcome of an earlier run is settled again. */
function mayBeEnd({ step }: TaskEvent): boolean {
  return isEnd(step) || step === "duplicate";
}

async function lookForEnd(broker: Broker, taskId: string, options: FindOptions): Promise<FoundTask> {
  let task = await findTask(broker, taskId, options);
  for (let looks = 0; looks < END_LOOKS && !isOver(task); looks++) {
    await pause(END_LOOK_MS);
    task = await findTask(broker, taskId, options);
  }
  return task;
}

/** Who else may know of the task, and how long it is followed. */
export interface FollowOptions extends FindOptions {
  /** Ends the following. */
  readonly signal?: AbortSignal;
}

/**
 * Tells what happens to a task until it has ended: what is known of it, then its steps and its progress as they come.
 *
 * Listens before it looks, so that no step falls between the two. Where an end is not heard of, a look finds it within seconds. Throws what
 * `findTask` throws.
 */
export async function* followTask(
  broker: Broker,
  id: string,
  { signal, ...options }: FollowOptions = {},
): AsyncGenerator<FollowUpdate> {
  const taskId = boundId(checkTaskId(id));
  const heard = new Heard();
  using _listening = listen(broker, taskId, heard);
  await broker.nc.flush();
  let task = await findTask(broker, taskId, options);
  yield { kind: "found", task };
  const nameOf = ({ step, attempt, at, reason = "" }: TaskEvent) => `${step} ${attempt} ${at} ${reason}`;
  const known = new Set(task.timeline.map(nameOf));
  while (!isOver(task)) {
    const update = await heard.next(LOOK_AGAIN_MS, signal);
    if (signal?.aborted) return;
    if (update?.kind === "step" && known.has(nameOf(update.step))) continue;
    if (update !== undefined) yield update;
    if (update === undefined) task = await findTask(broker, taskId, options);
    else if (update.kind === "step" && mayBeEnd(update.step)) task = await lookForEnd(broker, taskId, options);
  }
  yield { kind: "ended", task };
}
