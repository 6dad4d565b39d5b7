import type { NatsConnection } from "@nats-io/transport-node";
import type { Step, StepName } from "../connection/observer.ts";
import { eventLines } from "../format/event_lines.ts";
import { within } from "./patience.ts";

/** A step of a task's life, as `EVENTS` told it. */
export interface ToldStep extends Step {
  /** The worker that told it. */
  readonly worker: string;
  /** When we heard of it, by `performance.now()`. */
  readonly heardAtMs: number;
}

interface Wanted {
  matches(step: ToldStep): boolean;
  resolve(step: ToldStep): void;
}

/** Everything that was told on `events.>` since it was opened. */
export interface EventLog {
  readonly steps: readonly ToldStep[];
  /** Resolves with the first step, of the past too, that matches; rejects after a while. */
  find(matches: (step: ToldStep) => boolean, what: string, ms?: number): Promise<ToldStep>;
  /** Resolves with the `count`-th step of this name of this task. */
  event(step: StepName, taskId: string, count?: number): Promise<ToldStep>;
  /** The steps of one task so far, by name. */
  of(taskId: string): readonly StepName[];
}

/** Subscribes before anything is done, so that no event can be missed. */
export async function openEventLog(nc: NatsConnection): Promise<EventLog> {
  const steps: ToldStep[] = [];
  const wanted = new Set<Wanted>();

  function hear(step: ToldStep): void {
    steps.push(step);
    for (const want of [...wanted]) {
      if (!want.matches(step)) continue;
      wanted.delete(want);
      want.resolve(step);
    }
  }

  nc.subscribe("events.>", {
    callback: (error, message) => {
      if (error !== null) throw error;
      if (message.subject.endsWith(".log")) return; // lines of runs, and no steps
      for (const line of eventLines(message.string())) hear({ ...JSON.parse(line), heardAtMs: performance.now() });
    },
  });
  await nc.flush();

  async function find(matches: (step: ToldStep) => boolean, what: string, ms?: number): Promise<ToldStep> {
    const told = steps.find(matches);
    if (told !== undefined) return told;
    const coming = new Promise<ToldStep>((resolve) => wanted.add({ matches, resolve }));
    const heard = () =>
      steps.map(({ step, taskId, reason }) => `${step} ${taskId}${reason ? `: ${reason}` : ""}`).join(", ");
    return within(coming, () => `${what} (heard: ${heard()})`, ms);
  }

  function event(step: StepName, taskId: string, count = 1): Promise<ToldStep> {
    let seen = 0;
    return find(
      (told) => told.step === step && told.taskId === taskId && ++seen === count,
      `event "${step}" no. ${count} of ${taskId}`,
    );
  }

  return { steps, find, event, of: (taskId) => steps.filter((told) => told.taskId === taskId).map(({ step }) => step) };
}
