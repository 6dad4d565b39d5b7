// Tested by tests/src/worker/removed_vo_test.ts
// Tested by tests/src/worker/cancel_test.ts
import { CancelledError } from "../cancel/cancellation.ts";
import type { Cancellations } from "../cancel/cancellations.ts";
import type { ConfigurationWatch } from "../configuration/configuration_watch.ts";
import { type RunningAttempt, VoRemovedError } from "../run/attempt.ts";

/** Why a run must end before its time. */
export interface Unwanted {
  /** The reason with which its signal aborts; undefined: it may go on. */
  reasonFor(attempt: Pick<RunningAttempt, "vo" | "taskId" | "headers">): VoRemovedError | CancelledError | undefined;
  /** Calls `listener` when there may be a reason for another run, until the returned function is called. */
  onNews(listener: () => void): () => void;
}

interface Sources {
  readonly configuration: Pick<ConfigurationWatch, "current" | "onChange">;
  readonly cancellations: Pick<Cancellations, "find" | "onNews">;
}

/**
 * A run is unwanted when its VO was removed, and when it was cancelled. It does not wait for the sweep of a removed VO's tasks: that may come
 * later, or no scheduler may run.
 */
export function unwantedBy({ configuration, cancellations }: Sources): Unwanted {
  return {
    reasonFor({ vo, taskId, headers }) {
      const cancellation = cancellations.find(taskId, headers);
      if (cancellation !== undefined) return new CancelledError(cancellation);
      return configuration.current.vos[vo]?.state === "removed" ? new VoRemovedError(vo) : undefined;
    },
    onNews(listener) {
      const ends = [configuration.onChange(listener), cancellations.onNews(listener)];
      return () => {
        for (const end of ends) end();
      };
    },
  };
}
