import { problemOf } from "../api/serve_api.ts";
import { setTimeout as pause } from "node:timers/promises";

/** Greatest number of viewers, and of pages that are watched at the same time. */
const VIEWERS = 1_000;
const PAGES = 200;
/** Bytes that may wait for a viewer. It misses updates while more do; each update is a whole page. */
const MAX_WAITING_BYTES = 1_000_000;
/** Time after which a silent connection is kept alive, ms. */
const ALIVE_MS = 15_000;

/** A connection that is told of updates. */
export interface Viewer {
  /** Sends text. */
  write(text: string): void;
  /** Bytes that wait to be sent. */
  readonly waitingBytes: number;
}

/** A page that somebody watches. */
export interface WatchedPage {
  /** Its address. Viewers of the same address are sent the same text. */
  readonly key: string;
  readonly everyMs: number;
  /** Makes the page's content anew. */
  render(): Promise<string>;
}

/** Sends pages to those who watch them. Each page is made once for all its viewers. */
export interface Live extends AsyncDisposable {
  /** Tells a viewer of a page's updates until the function that it returns is called. Undefined: there are too many already. */
  watch(page: WatchedPage, viewer: Viewer): (() => void) | undefined;
  readonly viewers: number;
}

interface Watched {
  readonly page: WatchedPage;
  readonly viewers: Set<Viewer>;
  readonly over: AbortController;
  /** What was sent last, as a message. Only `keepSending` writes it. */
  message: string;
  running: Promise<void>;
}

/** A message of server-sent events. Its text may hold line ends, so it goes as JSON. */
export function printMessage(event: string, text: string): string {
  return `event: ${event}\ndata: ${JSON.stringify(text)}\n\n`;
}

function send(viewers: Iterable<Viewer>, message: string): void {
  for (const viewer of viewers) if (viewer.waitingBytes < MAX_WAITING_BYTES) viewer.write(message);
}

async function messageOf({ page, message }: Watched): Promise<string> {
  try {
    return printMessage("page", await page.render());
  } catch (error) {
    // The page says so in its own words, and the next round may succeed. What was sent stays.
    const reason = problemOf(error);
    return message === "" ? printMessage("trouble", reason) : message;
  }
}

/** Opens a hub without pages. */
export function openLive(): Live {
  const pages = new Map<string, Watched>();
  const count = () => [...pages.values()].reduce((sum, { viewers }) => sum + viewers.size, 0);

  async function keepSending(watched: Watched): Promise<void> {
    const { page, viewers, over } = watched;
    let sentAtMs = performance.now();
    while (!over.signal.aborted) {
      // The pause rejects only when nobody watches any more.
      await pause(page.everyMs, undefined, { signal: over.signal }).catch(() => undefined);
      if (over.signal.aborted) return;
      const message = await messageOf(watched);
      const nowMs = performance.now();
      if (message !== watched.message) send(viewers, message);
      else if (nowMs - sentAtMs > ALIVE_MS) send(viewers, ": alive\n\n");
      else continue;
      sentAtMs = nowMs;
      watched.message = message;
    }
  }

  function open(page: WatchedPage): Watched {
    const watched: Watched = {
      ...{ page, message: "", viewers: new Set<Viewer>(), over: new AbortController() },
      running: Promise.resolve(),
    };
    watched.running = keepSending(watched);
    pages.set(page.key, watched);
    return watched;
  }

  function leave(watched: Watched, viewer: Viewer): void {
    watched.viewers.delete(viewer);
    if (watched.viewers.size > 0) return;
    watched.over.abort();
    if (pages.get(watched.page.key) === watched) pages.delete(watched.page.key);
  }

  return {
    watch(page, viewer) {
      const known = pages.get(page.key);
      if (count() >= VIEWERS || (known === undefined && pages.size >= PAGES)) return undefined;
      const watched = known ?? open(page);
      watched.viewers.add(viewer);
      // A page that was loaded a moment ago may be older than what the others have.
      if (watched.message !== "") send([viewer], watched.message);
      return () => leave(watched, viewer);
    },
    get viewers() {
      return count();
    },
    async [Symbol.asyncDispose]() {
      const all = [...pages.values()];
      pages.clear();
      for (const { over } of all) over.abort();
      await Promise.all(all.map(({ running }) => running));
    },
  };
}
