import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import type { ReceivedTask } from "./received_task.ts";
import type { TaskSource } from "./task_source.ts";

/** Longest wait for the broker's word that it has what was handed back, ms. */
const FLUSH_MS = 2_000;

/** Tasks that were handed back for others to run at once, and of which nobody has been told yet. */
export class HandBacks {
  readonly #broker: Broker;
  #tasks: ReceivedTask[] = [];

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  add(task: ReceivedTask): void {
    this.#tasks.push(task);
  }

  /** Hand-backs wake nobody by themselves: an unflushed nak is lost, and only what the server has can be pulled by others. */
  async announce(source: Pick<TaskSource, "announceHandBack">): Promise<void> {
    if (this.#tasks.length === 0 || this.#broker.nc.isClosed()) return;
    const tasks = this.#tasks;
    this.#tasks = [];
    await this.flush();
    source.announceHandBack(tasks);
    await this.flush();
  }

  /** Waits until the broker has what was sent, but not for a broker that is away: what it has not got comes back by itself. */
  async flush(): Promise<"flushed" | "away"> {
    const { nc, outbox } = this.#broker;
    outbox.flush();
    if (nc.isClosed()) return "away";
    const flushed = nc.flush().then(
      () => "flushed" as const,
      () => "away" as const, // it went while we waited
    );
    return Promise.race([flushed, pause(FLUSH_MS, "away" as const, { ref: false })]);
  }
}
