// Tested by tests/src/restore/restore_test.ts
import { headersFrom, EXPECTED_LAST_SUBJECT_SEQUENCE } from "../format/headers.ts";
import { AUDIT, EVENTS } from "../streams/stream_needs.ts";
import { isConflict, readStreams } from "../streams/streams.ts";
import type { Broker } from "./broker.ts";
import { readStored } from "./timed_entry.ts";

const BUCKET = "results";
const KEY = "stores.mark";
/** Streams that the server writes to the file a moment later, so that a kill takes their newest messages, and what merely shows who runs. */
const UNSURE: readonly string[] = [EVENTS, AUDIT, "KV_workers"];

/** How far a stream is. */
export interface StreamPosition {
  /** When it was created, as the server writes it. */
  readonly createdAt: string;
  readonly lastSequence: number;
}

/** A stream's position, with the times of the oldest and the newest message. */
export interface PositionNow extends StreamPosition {
  /** RFC 3339; a year before 1970 where it is empty. */
  readonly firstAt: string;
  /** RFC 3339; a year before 1970 where there never was one. */
  readonly lastAt: string;
}

/** Positions by the names of the streams. */
export type Positions<Position extends StreamPosition = StreamPosition> = Readonly<Record<string, Position>>;

/**
 * Whether a stream is the one that it was, or was restored from it, and not declared again. The server gives a stream that it restores from a
 * backup a new time of creation (nats-server 2.15.1, measured). So its messages are older than it is.
 */
export function isContinued(was: StreamPosition, now: PositionNow): boolean {
  const bornMs = Date.parse(now.createdAt);
  const isOlder = (at: string) => Date.parse(at) > 0 && Date.parse(at) < bornMs;
  return was.createdAt === now.createdAt || isOlder(now.firstAt) || isOlder(now.lastAt);
}

/**
 * Whether a stream was restored to an earlier state, or has lost its newest messages. Of one that was restored the sequence proves nothing once
 * more was stored in it: that may be more than it has lost.
 */
export function hasFallen(was: StreamPosition, now: PositionNow): boolean {
  if (!isContinued(was, now)) return false;
  const hasGoneOn = was.createdAt !== now.createdAt && Date.parse(now.lastAt) >= Date.parse(now.createdAt);
  return now.lastSequence < was.lastSequence || hasGoneOn;
}

/** The half of the mark that NATS has. */
export interface NatsMark {
  readonly number: number;
  /** When it was set, RFC 3339, UTC, by the clock of who set it. */
  readonly at: string;
}

/** The mark under its key, and the revision that a write must expect; 0: nothing is stored. */
export interface NatsMarkState {
  readonly revision: number;
  readonly mark: NatsMark | undefined;
}

function parseMark(text: string): NatsMark | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const { number, at } = value as Partial<Record<keyof NatsMark, unknown>>;
    return Number.isSafeInteger(number) && typeof at === "string" ? { number: Number(number), at } : undefined;
  } catch {
    return undefined; // written by hand
  }
}

/** Reads the mark from the stream's leader. Throws when the broker does not answer. */
export async function readNatsMark({ jsm }: Pick<Broker, "jsm">): Promise<NatsMarkState> {
  const stored = await readStored(jsm, BUCKET, KEY);
  if (stored === undefined) return { revision: 0, mark: undefined };
  return { revision: stored.revision, mark: stored.kind === "value" ? parseMark(stored.text) : undefined };
}

/** Sets the mark. Returns false where another revision than `expected` is stored. Throws when the broker does not answer. */
export async function writeNatsMark(
  { requests }: Pick<Broker, "requests">,
  { number, expected }: { readonly number: number; readonly expected: number },
): Promise<boolean> {
  const mark: NatsMark = { number, at: new Date().toISOString() };
  const headers = headersFrom({ [EXPECTED_LAST_SUBJECT_SEQUENCE]: String(expected) });
  try {
    await requests.store({ subject: `$KV.${BUCKET}.${KEY}`, body: JSON.stringify(mark), headers });
    return true;
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}

/**
 * How far the streams and buckets are whose newest messages the server never forgets by itself. A missing one is left out. Throws when the
 * broker does not answer.
 */
export async function readPositions({
  jsm,
  streams,
}: Pick<Broker, "jsm" | "streams">): Promise<Positions<PositionNow>> {
  const found = await readStreams(
    jsm,
    streams.filter((name) => !UNSURE.includes(name)),
  );
  return Object.fromEntries(
    found.map(({ config, created, state }) => [
      config.name,
      { createdAt: created, lastSequence: state.last_seq, firstAt: state.first_ts, lastAt: state.last_ts },
    ]),
  );
}
