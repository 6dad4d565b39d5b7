// Tested by libs/tasks/src/configuration/tasks_in_force_test.ts
import { parseLengthMs, printLength } from "../calendar/length_text.ts";
import type { AnyTask } from "../definition/task.ts";
import type { Configuration, TaskSettings } from "./configuration.ts";
import { retryPolicyOf } from "./run_settings.ts";

/** What the configuration may say of the runs of a task. */
export type RunSettings = Pick<TaskSettings, "timeout" | "retry" | "priority">;

/** A timeout that cannot be in force. It changes nothing. */
export interface UnusableTimeout {
  readonly task: string;
  /** The VO for which it is; undefined: for all. */
  readonly vo: string | undefined;
  readonly timeout: string;
  /** Longest timeout that can be, ms. */
  readonly longestMs: number;
}

export interface TasksInForceOptions {
  configuration(): Configuration;
  /** Longest transaction of the ledger, ms; undefined: there is no limit. A task whose effect is once cannot run longer. */
  readonly longestMs: number | undefined;
  /** Called for each timeout that cannot be used, whenever it is met. */
  onUnusable(found: UnusableTimeout): void;
}

/** The definitions of tasks as the configuration changes them. */
export interface TasksInForce {
  /** Returns the task with what the configuration says of its runs for `vo`; the task itself where it says nothing. */
  of(task: AnyTask, vo: string): AnyTask;
  /** All timeouts that the configuration gives these tasks and that cannot be in force. */
  unusable(tasks: readonly AnyTask[]): readonly UnusableTimeout[];
  /** Longest timeout that any of the tasks has for any VO, ms. */
  longestTimeoutMs(tasks: readonly AnyTask[]): number;
}

/** What the configuration says of a task's runs for one VO, and of those for all. Most tasks have neither. */
function settingsFor({ tasks }: Configuration, task: string, vo: string): readonly (RunSettings | undefined)[] {
  const all = Object.hasOwn(tasks, task) ? tasks[task] : undefined;
  if (all === undefined) return [];
  const own = all.vos !== undefined && Object.hasOwn(all.vos, vo) ? all.vos[vo] : undefined;
  return [own, all];
}

/** Says in one sentence what is unusable, and what to do. */
export function describeUnusable({ task, vo, timeout, longestMs }: UnusableTimeout): string {
  const where = vo === undefined ? `tasks.${task}.timeout` : `tasks.${task}.vos.${vo}.timeout`;
  const longest = printLength(longestMs);
  return `Cannot use ${where} of the configuration: it is ${timeout}, and the database ends every transaction of this worker after ${longest}; it changes nothing. Give at most ${longest}`;
}

/**
 * Returns the task with what the configuration says of its runs for all VOs. A worker may find a timeout too long for its database, and
 * then goes by the definition's.
 */
export function taskForAllVos(task: AnyTask, configuration: Configuration): AnyTask {
  return createTasksInForce({ configuration: () => configuration, longestMs: undefined, onUnusable() {} }).of(task, "");
}

/** Makes definitions of what the code says and what the configuration says. Nothing is made where the configuration says nothing. */
export function createTasksInForce({ configuration, longestMs, onUnusable }: TasksInForceOptions): TasksInForce {
  /** The first usable timeout, ms; undefined: none is given. */
  function timeoutOf(
    { name, effect }: AnyTask,
    vo: string,
    given: readonly (RunSettings | undefined)[],
  ): number | undefined {
    for (const [index, settings] of given.entries()) {
      const timeout = settings?.timeout;
      const ms = timeout === undefined ? undefined : parseLengthMs(timeout);
      if (timeout === undefined || ms === undefined) continue;
      if (effect !== "once" || longestMs === undefined || ms <= longestMs) return ms;
      onUnusable({ task: name, vo: index === 0 ? vo : undefined, timeout, longestMs });
    }
    return undefined;
  }

  function of(task: AnyTask, vo: string): AnyTask {
    const [own, all] = settingsFor(configuration(), task.name, vo);
    const retry = own?.retry ?? all?.retry;
    const priority = own?.priority ?? all?.priority;
    const timeoutMs = timeoutOf(task, vo, [own, all]);
    if (retry === undefined && priority === undefined && timeoutMs === undefined) return task;
    return {
      ...task,
      ...(retry === undefined ? {} : { retry: retryPolicyOf(retry) }),
      ...(priority === undefined ? {} : { priority }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    };
  }

  function unusableOf({ name: task, effect }: AnyTask): readonly UnusableTimeout[] {
    const { tasks } = configuration();
    const all = Object.hasOwn(tasks, task) ? tasks[task] : undefined;
    if (all === undefined || effect !== "once" || longestMs === undefined) return [];
    const given = [
      [undefined, all.timeout] as const,
      ...Object.entries(all.vos ?? {}).map(([vo, of]) => [vo, of.timeout] as const),
    ];
    return given.flatMap(([vo, timeout]) => {
      const ms = timeout === undefined ? undefined : parseLengthMs(timeout);
      return timeout === undefined || ms === undefined || ms <= longestMs ? [] : [{ task, vo, timeout, longestMs }];
    });
  }

  return {
    of,
    unusable: (tasks) => tasks.flatMap(unusableOf),
    longestTimeoutMs(tasks) {
      const { tasks: settings } = configuration();
      const all = tasks.flatMap((task) => {
        const vos = Object.hasOwn(settings, task.name) ? Object.keys(settings[task.name]?.vos ?? {}) : [];
        return [task.timeoutMs, ...["", ...vos].map((vo) => of(task, vo).timeoutMs)];
      });
      return Math.max(...all);
    },
  };
}
