import type { WorkerHealth } from "./worker_parts.ts";

/** One part of a worker: it pulls and runs some of the worker's tasks, with permits of its own. */
export interface WorkerPart {
  /** Settles when drained. Rejects when the process must be restarted. */
  readonly ended: Promise<void>;
  health(): WorkerHealth;
  /** The connection was lost and is back. */
  reconnected(): void;
  /** Something has gone wrong with the servers, or is mended. */
  environmentChanged(): void;
  /** Hands back tasks that have not begun, and settles when the others have ended. */
  drain(): Promise<void>;
  /** Aborts all tasks that run. */
  hasten(): void;
}

/**
 * The parts of a worker as one: the one whose tasks share the event loop, and the one whose tasks have threads. Each pulls for its own permits,
 * so that neither takes the other's.
 */
export class WholeWorker implements WorkerPart {
  readonly ended: Promise<void>;
  readonly #parts: readonly WorkerPart[];

  constructor(parts: readonly WorkerPart[]) {
    this.#parts = parts;
    this.ended = Promise.all(parts.map((part) => part.ended)).then(() => undefined);
  }

  /** The permits are those of the first part. */
  health(): WorkerHealth {
    const [first, ...others] = this.#parts.map((part) => part.health());
    if (first === undefined) throw new TypeError("Cannot tell the health of a worker without parts");
    return others.reduce(
      (sum, health) => ({
        problems: [...new Set([...sum.problems, ...health.problems])],
        permits: sum.permits,
        running: sum.running + health.running,
        buffered: sum.buffered + health.buffered,
        waitingForLocks: sum.waitingForLocks + health.waitingForLocks,
        lostPermits: sum.lostPermits + health.lostPermits,
        draining: sum.draining || health.draining,
      }),
      first,
    );
  }

  reconnected(): void {
    for (const part of this.#parts) part.reconnected();
  }

  environmentChanged(): void {
    for (const part of this.#parts) part.environmentChanged();
  }

  async drain(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.drain()));
  }

  hasten(): void {
    for (const part of this.#parts) part.hasten();
  }
}
