import { createOutcomeTally, type Database } from "@muster/ledger";
import type { Broker } from "@muster/tasks";
import { setTimeout as pause } from "node:timers/promises";
import type { Display } from "./display/display.ts";
import { describeEvents } from "./display/happenings.ts";
import { readSnapshot } from "./figures/snapshot.ts";

const READ_EVERY_MS = 1_000;

export interface WatchOptions {
  readonly broker: Broker;
  readonly database: Database;
  readonly display: Display;
}

/** Gives the display the figures of the database once a second, and each step of a task, until disposed of. */
export function watchSystem({ broker, database, display }: WatchOptions): AsyncDisposable {
  const over = new AbortController();
  const tally = createOutcomeTally();
  const events = broker.nc.subscribe("events.>", {
    callback(error, message) {
      for (const text of error === null ? describeEvents(message.string()) : [])
        display.happened({ at: new Date(), text });
    },
  });

  async function readOn(): Promise<void> {
    let trouble: string | undefined;
    while (!over.signal.aborted) {
      try {
        display.show(await readSnapshot({ broker, database, tally }));
        trouble = undefined;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (reason !== trouble && !over.signal.aborted) display.progress(`the database does not answer: ${reason}`);
        trouble = reason;
      }
      await Promise.race([pause(READ_EVERY_MS), aborted(over.signal)]);
    }
  }

  const reading = readOn();
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      events.unsubscribe();
      await reading;
    },
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}
