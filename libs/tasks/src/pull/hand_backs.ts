import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import type { HandedBack, TaskSource } from "./task_source.ts";

/** Longest wait until the broker confirms that it has what was sent, ms. */
const FLUSH_MS = 2_000;

/** Tasks that were handed back for other workers to run at once, and that no other worker has been told of yet. */
export class HandBacks {
  readonly #broker: Pick<Broker, "nc" | "outbox">;
  #tasks: HandedBack[] = [];
  /** The announcement under way. Who waits for a later one waits for this one too: its tasks may be in here. */
  #announcing: Promise<void> = Promise.resolve();

  constructor(broker: Pick<Broker, "nc" | "outbox">) {
    this.#broker = broker;
  }

  add(task: HandedBack): void {
    this.#tasks.push(task);
  }

  /**
   * Tells other workers of the tasks, since a nak wakes nobody by itself. The naks are flushed first: others can only pull what the
   * server has. Settles once all tasks that were added so far have been told of, also those of an earlier call.
   */
  async announce(source: Pick<TaskSource, "announceHandBack">): Promise<void> {
    const earlier = this.#announcing;
    this.#announcing = this.#announceNew(source).then(() => earlier);
    await this.#announcing;
  }

  async #announceNew(source: Pick<TaskSource, "announceHandBack">): Promise<void> {
    if (this.#tasks.length === 0 || this.#broker.nc.isClosed()) return;
    const tasks = this.#tasks;
    this.#tasks = [];
    await this.flush();
    if (this.#broker.nc.isClosed()) return; // meanwhile
    source.announceHandBack(tasks);
    await this.flush();
  }

  /** Waits until the broker has what was sent. Does not wait for a lost connection: what was not sent is redelivered after its ack wait. */
  async flush(): Promise<"flushed" | "away"> {
    const { nc, outbox } = this.#broker;
    outbox.flush();
    if (nc.isClosed()) return "away";
    const flushed = nc.flush().then(
      () => "flushed" as const,
      () => "away" as const, // the connection was lost while we waited
    );
    return Promise.race([flushed, pause(FLUSH_MS, "away" as const, { ref: false })]);
  }
}
