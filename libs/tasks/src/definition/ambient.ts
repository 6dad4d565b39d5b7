import { AsyncLocalStorage } from "node:async_hooks";
import type { PublishableTask, ScheduleOptions } from "./publishable.ts";

/** Where `task.schedule()` publishes: a connected publisher, or the present run. */
export interface AmbientPublisher {
  schedule(task: PublishableTask, options: ScheduleOptions): Promise<string>;
}

const ambient = new AsyncLocalStorage<AmbientPublisher>();

/** `schedule()` was called where nothing can publish. */
export class NoPublisherError extends Error {
  override readonly name = "NoPublisherError";
  readonly task: string;
  constructor(task: string) {
    super(
      `Cannot schedule ${task}: no publisher is connected here; call it inside execute, or inside publisher.run(() => ...), ` +
        `or run \`muster task publish ${task}\``,
    );
    this.task = task;
  }
}

/** Runs `work` with `publisher` behind every `task.schedule()` in it, also in what it calls or starts. */
export function withPublisher<T>(publisher: AmbientPublisher, work: () => T): T {
  return ambient.run(publisher, work);
}

/** The publisher around the caller. Throws {@linkcode NoPublisherError}. */
export function currentPublisher(task: string): AmbientPublisher {
  const publisher = ambient.getStore();
  if (publisher === undefined) throw new NoPublisherError(task);
  return publisher;
}
