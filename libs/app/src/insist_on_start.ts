// Tested by tests/src/access/refused_watch_test.ts
import { type App, insist } from "@muster/service";
import { type Broker, NatsAccessError, ServerTooOldError } from "@muster/tasks";

/** What is started, and the name of the check that is red until then. */
export interface Starting<Running> {
  readonly check: string;
  /** As in `start the worker`. */
  readonly what: string;
  start(): Promise<Running>;
}

/** Whether an error stays however long one waits: a mistake in the app's code, or in a setting. */
function isMistake(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof NatsAccessError ||
    error instanceof ServerTooOldError
  );
}

/**
 * Starts an app's worker or scheduler, and tries again until it runs. A right may be missing, a bucket, or a quorum: the app is red meanwhile
 * and says what it lacks, and goes on by itself once that is there.
 *
 * Throws what no time mends, and the app's stop demand.
 */
export async function insistOnStart<Running>(
  { log, signal, health }: Pick<App, "log" | "signal" | "health">,
  broker: Pick<Broker, "declareMissing">,
  { check, what, start }: Starting<Running>,
): Promise<Running> {
  let tries = 0;
  return await insist({
    ...{ log, signal, what },
    isFinal: isMistake,
    report: (reason) => health.report(check, reason),
    async work() {
      // A bucket may have gone since the streams were declared.
      if (tries++ > 0) await broker.declareMissing();
      return await start();
    },
  });
}
