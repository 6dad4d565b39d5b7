import { type LastingSubscription, subscribeLasting } from "../connection/lasting_subscription.ts";
import { onReconnect } from "../connection/reconnects.ts";
import { readStreams } from "../streams/streams.ts";
import { STREAM_NAMES, TASKS } from "../streams/stream_needs.ts";
import type { Broker } from "./broker.ts";
import { isSilence } from "./publish_surely.ts";

/** Time between two looks, ms. A deleted stream is declared again within ten seconds, even if no process reports it. */
const LOOK_MS = 8_000;
/**
 * Longest delay after the server reported a change, ms, drawn by chance. One of many processes corrects and reports it. The others then
 * find it right.
 */
const SPREAD_MS = 800;
/** Subjects of the server's messages about a stream that a user deletes or changes. */
const ADVISORIES = ["$JS.EVENT.ADVISORY.STREAM.DELETED.*", "$JS.EVENT.ADVISORY.STREAM.UPDATED.*"];
const OTHERS = STREAM_NAMES.filter((name) => name !== TASKS);

/** Chooses the streams for each regular look. */
function createTurns(isHearing: () => boolean): () => readonly string[] {
  let turn = 0;
  let wasHearing = true;
  return () => {
    const isAllHeard = isHearing() && wasHearing;
    wasHearing = isHearing();
    if (!isAllHeard) return STREAM_NAMES;
    const other = OTHERS[turn++ % OTHERS.length];
    // TASKS is looked at each time: no message reports a limit that is reached.
    return other === undefined ? [TASKS] : [TASKS, other];
  };
}

/**
 * Looks for streams and buckets that were deleted, or whose settings were changed by hand. It declares them again or sets them back, with
 * an alarm. Where the server reports the change, this happens within a second.
 *
 * After a reconnect it looks at all streams, and every 8 s at TASKS and one other. Where the server does not let us hear its reports, it
 * looks at all each time.
 *
 * It does not ask for a list of all streams, although that is one request. On a cluster the list waits for seconds for a server that is
 * down.
 *
 * Publishers to TASKS and lock holders notice a missing stream themselves. An event, a retry or a look-up would only fail.
 */
export function watchStreams(broker: Broker, { everyMs = LOOK_MS }: { readonly everyMs?: number } = {}): Disposable {
  const asked = new Set<string>();
  let looking: Promise<void> | undefined;

  async function look(names: readonly string[]): Promise<void> {
    const found = await readStreams(broker.briefJsm, names);
    if (found.length < names.length) await broker.declareMissing();
    await broker.mendSettings(found);
    broker.storage.noteStates(found);
  }

  function lookNow(names: readonly string[] = []): void {
    for (const name of names) asked.add(name);
    if (broker.nc.isClosed() || looking !== undefined || asked.size === 0) return;
    const now = [...asked];
    asked.clear();
    looking = look(now)
      .catch((cause: unknown) => {
        // Other parts report a broker that does not answer.
        if (!isSilence(cause)) broker.observer.note("Cannot look for missing streams yet", { cause });
      })
      .finally(() => {
        looking = undefined;
        lookNow();
      });
  }

  let soon: NodeJS.Timeout | undefined;
  function lookSoon(names: readonly string[]): void {
    for (const name of names) asked.add(name);
    soon ??= setTimeout(() => {
      soon = undefined;
      lookNow();
    }, Math.random() * SPREAD_MS).unref();
  }

  const listening = ADVISORIES.map(
    (subject): LastingSubscription =>
      subscribeLasting(broker.nc, { subject }, ({ subject: told }) => {
        const name = told.slice(told.lastIndexOf(".") + 1);
        if (STREAM_NAMES.includes(name)) lookSoon([name]);
      }),
  );
  const stop = onReconnect(broker.nc, () => lookSoon(STREAM_NAMES));
  const turn = createTurns(() => listening.every(({ isOpen }) => isOpen));
  const timer = setInterval(() => lookNow(turn()), everyMs).unref();

  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      clearTimeout(soon);
      stop();
      for (const subscription of listening) subscription[Symbol.dispose]();
    },
  };
}
