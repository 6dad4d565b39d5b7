import { type LastingSubscription, subscribeLasting } from "../connection/lasting_subscription.ts";
import { onReconnect } from "../connection/reconnects.ts";
import { readStreams } from "../streams/streams.ts";
import { STREAM_NAMES, TASKS } from "../streams/stream_needs.ts";
import type { Broker } from "./broker.ts";
import { isSilence } from "./publish_surely.ts";

/** Between two looks, ms: what was deleted is there again well within ten seconds, also where nobody tells us of it. */
const LOOK_MS = 8_000;
/** Longest wait after the server told of a change, ms, by chance: of many processes one sets it back and tells, and the others find it so. */
const SPREAD_MS = 800;
/** What the server tells when somebody deletes or changes a stream. */
const ADVISORIES = ["$JS.EVENT.ADVISORY.STREAM.DELETED.*", "$JS.EVENT.ADVISORY.STREAM.UPDATED.*"];
const OTHERS = STREAM_NAMES.filter((name) => name !== TASKS);

/** Chooses what each regular look is at. */
function createTurns(isHearing: () => boolean): () => readonly string[] {
  let turn = 0;
  let wasHearing = true;
  return () => {
    const isAllHeard = isHearing() && wasHearing;
    wasHearing = isHearing();
    if (!isAllHeard) return STREAM_NAMES;
    const other = OTHERS[turn++ % OTHERS.length];
    // At TASKS each time: nobody tells of a limit that is reached.
    return other === undefined ? [TASKS] : [TASKS, other];
  };
}

/**
 * Looks whether a stream or bucket was deleted or its settings were changed by hand, declares it again or sets them back, with an alarm:
 * within a second where the server tells of it. After a reconnect it looks at all of them, and every 8 s at TASKS and one other. Where
 * the server does not let us hear it looks at all each time.
 *
 * A list of all streams would be one request, and on a cluster it waits for seconds for a server that is away.
 *
 * Who publishes to TASKS or takes a lock finds out for himself; an event, a retry or a look at what is remembered would only fail.
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
        // A broker that is away is told of by others.
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
