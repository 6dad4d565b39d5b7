import type { LogLevel } from "@muster/service";
import type { AnyTask, ThreadOptions } from "@muster/tasks";
import { extname } from "node:path";
import type { Composition } from "./extension/compose_extensions.ts";

/** What the threads of an app are given. It crosses to them as JSON. */
export type AppThreadData = {
  /** The app's name, which is on every line of its log. */
  readonly name: string;
  readonly logLevel: LogLevel;
  /** URLs of the modules of its extensions, in order. */
  readonly modules: readonly string[];
};

/** How an app runs tasks in threads. */
export interface AppThreads {
  readonly name: string;
  readonly logLevel: LogLevel;
  /** Most threads; 0: none, so that all tasks share the event loop. */
  readonly count: number;
}

/** Whether a task is one for a thread of its own. */
export function wantsThread({ size }: Pick<AnyTask, "size">): boolean {
  return size !== "small";
}

/**
 * The threads for an app's medium and large tasks, as `startWorker` takes them. Undefined: the app has no such tasks, wants no threads, or has an
 * extension whose module nobody knows.
 */
export function threadsFor(
  { modules }: Pick<Composition, "modules">,
  tasks: readonly AnyTask[],
  { name, logLevel, count }: AppThreads,
): ThreadOptions | undefined {
  if (count === 0 || modules === undefined || !tasks.some(wantsThread)) return undefined;
  // thread_main.ts when run from source, thread_main.js when built.
  const module = new URL(`./thread_main${extname(import.meta.url)}`, import.meta.url);
  const data: AppThreadData = { name, logLevel, modules };
  return { module, count, data };
}
