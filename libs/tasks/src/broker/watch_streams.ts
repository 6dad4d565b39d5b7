import type { StreamInfo } from "@nats-io/jetstream";
import type { Msg } from "@nats-io/nats-core";
import { subscribeLasting } from "../connection/lasting_subscription.ts";
import type { Broker } from "./broker.ts";
import { isSilence } from "./publish_surely.ts";
import { STREAM_NAMES } from "../streams/stream_needs.ts";

/** Between two looks, ms: what was deleted is there again well within ten seconds, also where nobody told us of it. */
const LOOK_MS = 8_000;
/** Longest wait after the server told of a change, ms, by chance: of many processes one sets it back and tells, and the others find it so. */
const SPREAD_MS = 800;
/** What the server tells when somebody deletes or changes a stream. */
const ADVISORIES = ["$JS.EVENT.ADVISORY.STREAM.DELETED.*", "$JS.EVENT.ADVISORY.STREAM.UPDATED.*"];

/**
 * Looks whether a stream or bucket was deleted or its settings were changed by hand, declares it again or sets them back, with an
 * alarm: within a second where the server tells of it, and each 8 s with one request.
 *
 * Who publishes to TASKS or takes a lock finds out for himself; an event, a retry or a look at what is remembered would only fail.
 */
export function watchStreams(broker: Broker): Disposable {
  let looking: Promise<void> | undefined;
  let isAskedAgain = false;

  async function look(): Promise<void> {
    const found: StreamInfo[] = [];
    for await (const info of broker.briefJsm.streams.list()) found.push(info);
    const names = new Set(found.map(({ config }) => config.name));
    if (STREAM_NAMES.some((name) => !names.has(name))) await broker.declareMissing();
    await broker.mendSettings(found);
    broker.storage.noteStates(found);
  }

  function lookNow(): void {
    if (broker.nc.isClosed()) return;
    if (looking !== undefined) {
      isAskedAgain = true;
      return;
    }
    isAskedAgain = false;
    looking = look()
      .catch((cause: unknown) => {
        // A broker that is away is told of by others.
        if (!isSilence(cause)) broker.observer.note("Cannot look for missing streams yet", { cause });
      })
      .finally(() => {
        looking = undefined;
        if (isAskedAgain) lookNow();
      });
  }

  let soon: NodeJS.Timeout | undefined;
  function lookSoon(): void {
    soon ??= setTimeout(() => {
      soon = undefined;
      lookNow();
    }, Math.random() * SPREAD_MS).unref();
  }

  const listening = new DisposableStack();
  for (const subject of ADVISORIES) {
    // Without the right to listen the next look finds it all the same.
    const hear = ({ subject: told }: Msg) => {
      if (STREAM_NAMES.includes(told.slice(told.lastIndexOf(".") + 1))) lookSoon();
    };
    listening.use(subscribeLasting(broker.nc, { subject }, hear));
  }
  const timer = setInterval(lookNow, LOOK_MS).unref();

  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      clearTimeout(soon);
      listening.dispose();
    },
  };
}
