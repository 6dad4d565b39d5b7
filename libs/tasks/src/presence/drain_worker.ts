// Tested by tests/src/worker/operate_test.ts
import { NoRespondersError } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import { subscribeLasting } from "../connection/lasting_subscription.ts";
import { drainSubject } from "../format/subject.ts";

/** Longest name of a user that is shown, characters. */
const SHOWN = 100;

/** What a worker says when it is asked to drain. */
export interface WorkerDrain {
  readonly worker: string;
  /** Whether it was draining before it was asked. */
  readonly wasDraining: boolean;
  /** Tasks that run. They have until the drain's deadline, `MUSTER_DRAIN_SECONDS` in our apps. */
  readonly running: number;
  /** Tasks that have not begun. They are handed back at once. */
  readonly handedBack: number;
}

/** Nobody listens under this worker's name. */
export class UnknownWorkerError extends Error {
  override readonly name = "UnknownWorkerError";
  readonly worker: string;
  constructor(worker: string) {
    super(
      `Cannot drain worker ${JSON.stringify(worker)}: none of that name listens; list the workers to see their names, or stop its process with SIGTERM`,
    );
    this.worker = worker;
  }
}

/** How a worker that can be asked to drain shows what it has in hand. */
export interface Drainable {
  readonly name: string;
  health(): {
    readonly draining: boolean;
    readonly running: number;
    readonly buffered: number;
    readonly waitingForLocks: number;
  };
  /** Returns at once. */
  drain(): void;
}

function whoIn(text: string): string {
  try {
    const { by } = JSON.parse(text);
    return typeof by === "string" ? by.slice(0, SHOWN) : "somebody";
  } catch {
    return "somebody"; // any message on the subject will do, also an empty one
  }
}

/** Lets a worker be drained by a message on `drain.<its name>` until disposed of. */
export function answerDrains({ nc, observer }: Pick<Broker, "nc" | "observer">, worker: Drainable): Disposable {
  return subscribeLasting(nc, { subject: drainSubject(worker.name) }, (message) => {
    const { draining, running, buffered, waitingForLocks } = worker.health();
    const answer: WorkerDrain = {
      ...{ worker: worker.name, wasDraining: draining, running },
      handedBack: draining ? 0 : buffered + waitingForLocks,
    };
    message.respond(JSON.stringify(answer));
    if (draining) return;
    observer.note(`Drains and ends: ${whoIn(message.string())} asked for it`, { worker: worker.name });
    worker.drain();
  });
}

/**
 * Asks a worker to drain and to end, as SIGTERM does. Returns what it has in hand, and does not wait for its end. A supervisor may start its
 * process again: stop it there where it is to stay away.
 *
 * Throws {@linkcode UnknownWorkerError}, and what asking throws.
 */
export async function drainWorker(
  { requests }: Pick<Broker, "requests">,
  name: string,
  { by }: { readonly by: string },
): Promise<WorkerDrain> {
  try {
    const answer = await requests.ask({ subject: drainSubject(name), body: JSON.stringify({ by }) });
    return answer.json<WorkerDrain>();
  } catch (error) {
    if (error instanceof NoRespondersError) throw new UnknownWorkerError(name);
    throw error;
  }
}
