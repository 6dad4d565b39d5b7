// Tested by libs/tasks/src/schedule/instances_test.ts
import type { TaskAddress } from "../format/subject.ts";

/** One schedule, by its names. */
export interface ScheduleName extends TaskAddress {
  readonly instance: string;
}

/**
 * Schedules that neither definition nor configuration name any more, and whose marker says that they go on. They were taken away while no
 * scheduler ran. The sweep finds them, and `keepSchedules` ends them.
 */
export interface LeftSchedules {
  readonly all: Iterable<ScheduleName>;
  /** Calls `listener` when there is another one, until the returned function is called. */
  onFound(listener: () => void): () => void;
  found(name: ScheduleName): void;
  forget(name: ScheduleName): void;
}

export function createLeftSchedules(): LeftSchedules {
  const names = new Map<string, ScheduleName>();
  const listeners = new Set<() => void>();
  const keyOf = ({ task, vo, instance }: ScheduleName) => `${task}/${vo}/${instance}`;
  return {
    get all() {
      return names.values();
    },
    onFound(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    found(name) {
      if (names.has(keyOf(name))) return;
      names.set(keyOf(name), name);
      for (const listener of listeners) listener();
    },
    forget: (name) => void names.delete(keyOf(name)),
  };
}
