import type { Observer } from "@muster/tasks";

/** What the framework told its observer. */
export interface Watcher extends Observer {
  readonly alarms: string[];
  readonly notes: string[];
}

/** An observer that remembers. */
export function newWatcher(): Watcher {
  const alarms: string[] = [];
  const notes: string[] = [];
  return {
    alarms,
    notes,
    alarm: (message) => void alarms.push(message),
    note: (message) => void notes.push(message),
    step() {},
  };
}
