// Tested by libs/tasks/src/broker/compare_stores_test.ts
import { hasFallen, isContinued, type NatsMark, type PositionNow, type Positions } from "./store_mark.ts";

/** A stream that was restored since the last mark, or has fewer messages behind it than it had then. */
export interface FallenStream {
  readonly stream: string;
  /** Messages that were stored after the present last one, by the last mark. There may be more of them, since others may be stored in their place. */
  readonly lost: number;
}

/** How a store differs from what the other one knows of it. */
export type StoreFall =
  /** NATS was restored to an earlier state, or has lost its newest messages. */
  | {
      readonly kind: "NATS fell";
      /** The latest moment of which it surely has all, RFC 3339; of streams that fell alone {@linkcode dateFall} knows it. */
      readonly since: string;
      /** When it was seen last before that, RFC 3339. */
      readonly until: string;
      /** Whether the mark of NATS went back too. Otherwise some streams alone did. */
      readonly isWhole: boolean;
      readonly streams: readonly FallenStream[];
    }
  /** All streams of NATS were created anew. */
  | { readonly kind: "NATS is new"; readonly until: string }
  /** The database was restored to an earlier state. */
  | { readonly kind: "the database fell"; readonly since: string; readonly until: string }
  /** The database has no mark, and NATS has one. */
  | { readonly kind: "the database is new"; readonly until: string };

/**
 * What the two stores know of each other. The database's mark must be read before the others, and still be the same after them: then whatever
 * goes on meanwhile looks like no fall.
 */
export interface StoresSeen {
  readonly database: { readonly number: number; readonly positions: Positions; readonly markedAt: string } | undefined;
  readonly nats: NatsMark | undefined;
  readonly positions: Positions<PositionNow>;
}

function isSameStream({ database, positions }: StoresSeen, stream: string): boolean {
  const [was, now] = [database?.positions[stream], positions[stream]];
  return was !== undefined && now !== undefined && isContinued(was, now);
}

function fallenStreams(seen: StoresSeen): readonly FallenStream[] {
  return Object.entries(seen.database?.positions ?? {}).flatMap(([stream, was]) => {
    const now = seen.positions[stream];
    if (now === undefined || !hasFallen(was, now)) return [];
    return [{ stream, lost: Math.max(0, was.lastSequence - now.lastSequence) }];
  });
}

/**
 * Finds out whether one of the two stores was restored to an earlier state, or is new. None: they go together, or have no mark yet.
 *
 * The database has its half of a mark first. So NATS may be one behind after a crash, and is never ahead of a database that has not fallen.
 */
export function compareStores(seen: StoresSeen): readonly StoreFall[] {
  const { database, nats } = seen;
  if (database === undefined) return nats === undefined ? [] : [{ kind: "the database is new", until: nats.at }];
  const { number, markedAt, positions } = database;
  const falls: StoreFall[] = [];
  const streams = fallenStreams(seen);
  const isBehind = nats !== undefined && nats.number < number - 1;
  if (isBehind || streams.length > 0) {
    falls.push({
      kind: "NATS fell",
      since: isBehind ? nats.at : markedAt,
      until: markedAt,
      isWhole: isBehind,
      streams,
    });
  } else if (nats === undefined && Object.keys(positions).every((stream) => !isSameStream(seen, stream))) {
    falls.push({ kind: "NATS is new", until: markedAt });
  }
  if (nats !== undefined && number < nats.number) {
    falls.push({ kind: "the database fell", since: markedAt, until: nats.at });
  }
  return falls;
}
