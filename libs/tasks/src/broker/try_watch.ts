// Tested by tests/src/access/refused_watch_test.ts
import { ForbiddenError } from "../connection/forbidden.ts";
import type { Broker } from "./broker.ts";
import type { WatchedKeys } from "./watch_keys.ts";

/** Time from a refused try to the next, ms. It is less than the time for which a refusal counts as a problem. */
const AGAIN_MS = 5_000;
/** A stream and a consumer that do not exist. */
const NOWHERE = "MUSTER_NOWHERE";
const NOBODY = "muster-tries";

/**
 * Tries whether our user may watch these keys, until it may or until disposed of. So an app whose user may not is red at once, and not only when a
 * task first needs the watcher.
 *
 * It asks for a consumer of another stream than the subject names, which JetStream refuses. So it makes nothing, and mostly asks once.
 */
export function tryWatching(
  { nc, requests }: Pick<Broker, "nc" | "requests">,
  { bucket, key }: Pick<WatchedKeys, "bucket" | "key">,
): Disposable {
  const subject = `$JS.API.CONSUMER.CREATE.KV_${bucket}.${NOBODY}.$KV.${bucket}.${key}`;
  const body = JSON.stringify({ stream_name: NOWHERE, config: { name: NOBODY } });
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;

  async function ask(): Promise<void> {
    try {
      await requests.ask({ subject, body });
    } catch (error) {
      // The watch of permissions has heard of the refusal. Silence is no refusal, and others tell of it.
      if (error instanceof ForbiddenError && !isOver) timer = setTimeout(() => void ask(), AGAIN_MS).unref();
    }
  }

  if (!nc.isClosed()) void ask();
  return {
    [Symbol.dispose]() {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
