// Tested by apps/dashboard/src/feed/feed_test.ts
import { recentEvents, type RecentMessage } from "@muster/tasks/operate";
import { type Figures, NO_FIGURES, readFigures, type Servers } from "./figures.ts";
import { repeat } from "./repeat.ts";
import { keepSamples, type Samples } from "./samples.ts";
import { INTERVAL_MS, INTERVALS, keepSeries, type Series } from "./series.ts";
import { readEvents, type ToldEvent, type ToldEvents } from "./told_events.ts";

/** Time between two looks at the servers while somebody looks at a page, ms, and while nobody does. */
const WATCHED_MS = 2_000;
const UNWATCHED_MS = 5_000;
/** Greatest number of messages in EVENTS that are read back at the start, and about their size, bytes; some half second's work. */
const READ_BACK = 50_000;
const READ_BACK_BYTES = 16_000_000;

/** All that the pages show live. One for the whole process, whatever the number of viewers. */
export interface Feed extends AsyncDisposable {
  figures(): Figures;
  readonly series: Pick<Series, "intervals">;
  /** Waiting tasks of each VO. */
  readonly waitingByVo: Pick<Samples, "all" | "names">;
  readonly events: Pick<ToldEvents, "newest">;
  /** Looks at the servers once more. All who ask before that look has begun share it. */
  lookAnew(): Promise<void>;
  /** Calls `listen` with each event that was read. Returns the function that ends this. */
  onEvent(listen: (event: ToldEvent) => void): () => void;
}

/** How the feed is kept. */
export interface FeedOptions extends Servers {
  /** Whether somebody looks at a page. */
  isWatched(): boolean;
  /** Time between two looks, ms; default 2,000 while it is watched. */
  readonly everyMs?: number;
}

function byVo({ queues }: Figures): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { vo, ready, delayed } of queues) sums.set(vo, (sums.get(vo) ?? 0) + ready + delayed);
  return sums;
}

/**
 * Opens the feed: one subscription to the events with the last half hour of them read back, and one look at the servers every two seconds. Each page is made from what it holds.
 *
 * Resolves after the first look.
 */
export async function openFeed({ isWatched, everyMs = WATCHED_MS, ...servers }: FeedOptions): Promise<Feed> {
  const beginMs = Date.now() - INTERVALS * INTERVAL_MS;
  const series = keepSeries(Date.now, beginMs);
  const waitingByVo = keepSamples();
  const listeners = new Set<(event: ToldEvent) => void>();
  let figures = NO_FIGURES;
  const events = readEvents(
    {
      counted: (step, times, atMs) => series.count(step, times, atMs),
      read(event, atMs) {
        if (event.step === "started" && event.tookMs !== undefined) series.measureStart(event.tookMs, atMs);
        for (const listen of listeners) listen(event);
      },
    },
    Date.now,
  );
  const { broker } = servers;
  function beginNow(cause: unknown): undefined {
    broker.observer.note("Cannot read back the events of the last half hour: the charts begin now", { cause });
  }
  // What was stored until now is read back, and what comes from now on is heard. Meanwhile the latter waits, so that the newest comes last.
  const recent = await recentEvents(broker, {
    since: new Date(beginMs),
    limit: READ_BACK,
    limitBytes: READ_BACK_BYTES,
  }).catch(beginNow);
  let early: RecentMessage[] | undefined = [];
  const subscription = broker.nc.subscribe("events.>", {
    callback(error, { subject, data }) {
      if (error !== null) return;
      if (early !== undefined && early.length < READ_BACK) early.push({ subject, data, atMs: Date.now() });
      else events.hear(subject, data);
    },
  });
  const hear = ({ subject, data, atMs }: RecentMessage) => events.hear(subject, data, atMs);
  const read = await recent?.read(hear).catch(beginNow);
  series.forgetBefore(read?.completeSince.getTime() ?? Date.now());
  early.forEach(hear);
  early = undefined;

  async function look(): Promise<void> {
    figures = await readFigures(servers, figures);
    const isFresh = !figures.troubles.some(({ server }) => server === "NATS");
    if (isFresh) waitingByVo.add({ atMs: figures.atMs, figures: byVo(figures) });
  }
  let present = look();
  let next: Promise<void> | undefined;
  /** One look at a time, so that no older one overwrites a newer one. */
  function lookAnew(): Promise<void> {
    next ??= present.then(() => {
      next = undefined;
      present = look();
      return present;
    });
    return next;
  }
  await present;
  const looking = repeat({ everyMs: () => (isWatched() ? everyMs : UNWATCHED_MS), work: lookAnew });
  return {
    figures: () => figures,
    lookAnew,
    series,
    waitingByVo,
    events,
    onEvent(listen) {
      listeners.add(listen);
      return () => listeners.delete(listen);
    },
    async [Symbol.asyncDispose]() {
      subscription.unsubscribe();
      await looking[Symbol.asyncDispose]();
    },
  };
}
