import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { isStreamGone } from "../streams/streams.ts";
import { LAPSE_MARGIN_MS } from "../broker/timed_entry.ts";
import { elapsedMs, type Moment, momentNow, sharedNowMs } from "./clocks.ts";
import { SAFETY_MS } from "./lease_state.ts";
import { type LockBucket, LOCKS_STREAM, type LockRecord, type StoredLock } from "./lock_bucket.ts";
import { LOWEST_TOKEN } from "./raise.ts";
import type { Sightings } from "./sightings.ts";

/** Longest time without an answer for which a lock is asked for, ms. It is longer than a change of the bucket's leader. */
const BUDGET_MS = 10_000;
/** Pause before an unanswered request is sent again, ms. */
const PAUSE_MS = 250;
/** Number of times that a lock may seem free and be taken by others before us. Then it counts as held. */
const MAX_RACES = 4;

/** The broker did not answer whether the lock is ours. If it is, it lapses within its TTL. */
export class LockUnknownError extends Error {
  override readonly name = "LockUnknownError";
  readonly key: string;
  constructor(key: string, cause: unknown) {
    super(
      `Cannot tell whether lock "${key}" was taken: no answer in ${BUDGET_MS / 1000} s; try again, it lapses by itself`,
      { cause },
    );
    this.key = key;
  }
}

export type TakeAnswer =
  | { readonly kind: "taken"; readonly fencingToken: number; readonly sent: Moment }
  /** `ttlMs`: time without a renewal after which it is free; undefined where the holder's record has none. */
  | { readonly kind: "held"; readonly ttlMs: number | undefined };

export interface TakeRequest {
  readonly key: string;
  readonly record: LockRecord;
  readonly ttlMs: number;
  /** The revision of the key's mark where it is known, else 0. */
  readonly mark: number;
}

export interface Taker {
  readonly broker: Broker;
  readonly bucket: LockBucket;
  readonly sightings: Sightings;
  /** Raises the bucket's revisions. Nobody holds a lock afterwards. */
  raise(): Promise<unknown>;
}

interface Asked {
  /** The revision that must be stored for the next request to be accepted. */
  expected: number;
  /** When the first request was sent that may be stored although its answer was lost. */
  firstSent: Moment | undefined;
}

type Taken = Extract<StoredLock, { readonly kind: "taken" }>;

/** Raises an alarm for a lock that was stored without a TTL. Nobody renews it and the broker never removes it, so an operator must. */
function tellOfForeign({ broker, sightings }: Taker, key: string): void {
  if (!sightings.isTimeToTell(key)) return;
  broker.observer.alarm(
    `Tasks wait for lock "${key}", which somebody has stored by hand and nothing will free; free it with: muster lock release '${key}'`,
    { key },
  );
}

function tellOfRevived({ broker }: Taker, key: string, worker: string): void {
  broker.observer.note("A lock whose time to live has passed was still stored, as after a kill of NATS; it is taken", {
    key,
    worker,
  });
}

/** Whether a lock that another seems to hold is free, since its revision has stayed the same for longer than its TTL. */
function standsStill(taker: Taker, key: string, { revision, ttlMs }: Taken): boolean {
  const unchangedMs = taker.sightings.note(key, revision);
  if (ttlMs !== undefined) return unchangedMs > ttlMs + LAPSE_MARGIN_MS;
  tellOfForeign(taker, key);
  return false;
}

/** Makes one request in the usual case. Returns undefined where the lock seemed free and was not: call it again with the changed `asked`. */
async function tryOnce(
  taker: Taker,
  { key, record, ttlMs }: TakeRequest,
  asked: Asked,
): Promise<TakeAnswer | undefined> {
  const { bucket, raise } = taker;
  const sent = momentNow();
  const firstSent = asked.firstSent ?? sent;
  asked.firstSent = firstSent;
  const revision = await bucket.write(key, { record, ttlMs, expected: asked.expected });
  const found =
    revision === undefined
      ? await bucket.read(key)
      : ({ kind: "taken", revision, holder: record.holder, worker: record.worker, ttlMs } as const);
  if (found?.kind !== "taken") {
    if (found?.kind === "lapsed") tellOfRevived(taker, key, found.worker);
    asked.expected = found?.revision ?? 0;
    return undefined;
  }
  if (found.revision < LOWEST_TOKEN) {
    // No lock in a bucket that was not raised counts as taken, even if it has a holder.
    await raise();
    asked.expected = 0;
    return undefined;
  }
  if (found.holder !== record.holder) {
    if (!standsStill(taker, key, found)) return { kind: "held", ttlMs: found.ttlMs };
    tellOfRevived(taker, key, found.worker);
    asked.expected = found.revision;
    return undefined;
  }
  // If an earlier request was stored and its answer was lost, the TTL at the server began then.
  const since = revision === undefined ? firstSent : sent;
  if (elapsedMs(since) < ttlMs - SAFETY_MS) return { kind: "taken", fencingToken: found.revision, sent: since };
  asked.firstSent = undefined;
  asked.expected = (await bucket.free(key, { expected: found.revision, ttlMs })) ?? 0;
  return undefined;
}

/**
 * Takes the lock, or returns that it is held. It needs one round trip where the lock is free, and two where it is not. A lock whose TTL
 * has passed is free, whether the broker has removed it or not.
 *
 * A request without an answer is sent again with the same holder. If the first one was stored, its record says that it is ours.
 * Declares a bucket that was deleted. Throws {@linkcode LockUnknownError} after 10 s of silence.
 */
export async function takeLock(taker: Taker, request: TakeRequest): Promise<TakeAnswer> {
  const untilMs = sharedNowMs() + BUDGET_MS;
  const asked: Asked = { expected: request.mark, firstSent: undefined };
  for (let races = 0; races < MAX_RACES; ) {
    try {
      const answer = await tryOnce(taker, request, asked);
      if (answer?.kind === "taken") taker.sightings.forget(request.key);
      if (answer !== undefined) return answer;
      races++;
    } catch (error) {
      if (!isSilence(error) && !isStreamGone(error)) throw error;
      if (sharedNowMs() > untilMs || taker.broker.nc.isClosed()) throw new LockUnknownError(request.key, error);
      await declareIfGone(taker.broker);
      await pause(PAUSE_MS);
    }
  }
  return { kind: "held", ttlMs: request.ttlMs };
}

/** Declares the bucket if it was deleted. "No responders" may also mean a change of leader, so the stream's own info decides. */
export async function declareIfGone({ briefJsm, declareMissing, observer }: Broker): Promise<void> {
  try {
    await briefJsm.streams.info(LOCKS_STREAM);
  } catch (error) {
    if (!isStreamGone(error)) return;
    await declareMissing().catch((cause: unknown) => observer.note("Cannot declare the bucket locks yet", { cause }));
  }
}
