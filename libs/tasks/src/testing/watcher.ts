import type { Observer, Step } from "../connection/observer.ts";

/** What the framework told its observer. */
export interface Watcher extends Observer {
  readonly alarms: string[];
  readonly notes: string[];
  readonly steps: Step[];
}

/** An observer that remembers. */
export function newWatcher(): Watcher {
  const alarms: string[] = [];
  const notes: string[] = [];
  const steps: Step[] = [];
  return {
    alarms,
    notes,
    steps,
    alarm: (message) => void alarms.push(message),
    note: (message) => void notes.push(message),
    step: (step) => void steps.push(step),
  };
}
