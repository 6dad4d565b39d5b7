// Tested by libs/tasks/src/broker/date_fall_test.ts
import type { JetStreamManager } from "@nats-io/jetstream";
import { LATER, TASKS } from "../streams/streams.ts";
import type { FallenStream, StoreFall, StoresSeen } from "./compare_stores.ts";
import type { PositionNow } from "./store_mark.ts";
import { nextMatching } from "./stored_messages.ts";

/** Streams in which children and retries wait. */
const WORK: readonly string[] = [TASKS, LATER];
/** Any subject. */
const ANY = ">";

/**
 * When the newest message was stored that is older than `boundMs`; undefined: there is none. Throws when the broker does not answer.
 *
 * Sequences rise with time, so the half of them is looked at in which it must be: one request for each halving.
 */
async function newestBefore(
  jsm: JetStreamManager,
  { stream, position, boundMs }: { readonly stream: string; readonly position: PositionNow; readonly boundMs: number },
): Promise<number | undefined> {
  const lastMs = Date.parse(position.lastAt);
  if (lastMs > 0 && lastMs < boundMs) return lastMs;
  let low = 1;
  let high = position.lastSequence;
  let newestMs: number | undefined;
  while (low <= high) {
    const middle = Math.floor((low + high) / 2);
    const found = await nextMatching(jsm, stream, { from: middle, filter: ANY });
    if (found === null || found.time.getTime() >= boundMs) {
      high = middle - 1;
      continue;
    }
    newestMs = found.time.getTime();
    low = found.seq + 1;
  }
  return newestMs;
}

/** Whether streams fell that hold children or retries. Others may have been at rest for months, so their newest message says little. */
export function holdsWork({ streams }: { readonly streams: readonly Pick<FallenStream, "stream">[] }): boolean {
  return streams.some(({ stream }) => WORK.includes(stream));
}

/**
 * Says of which moment the streams are that fell, by the newest message that each of them has from before. Apps that have started since store
 * newer ones. The oldest moment of `TASKS` and `LATER` counts, of others only where these have not fallen, and an older mark of NATS. Throws
 * when the broker does not answer.
 */
export async function dateFall(
  jsm: JetStreamManager,
  { database, positions }: StoresSeen,
  fall: StoreFall,
): Promise<StoreFall> {
  if (fall.kind !== "NATS fell" || database === undefined) return fall;
  const markedMs = Date.parse(database.markedAt);
  const counting = holdsWork(fall) ? fall.streams.filter(({ stream }) => WORK.includes(stream)) : fall.streams;
  const moments = counting.map(async ({ stream }) => {
    const [was, position] = [database.positions[stream], positions[stream]];
    if (was === undefined || position === undefined) return undefined;
    // What was stored after the restore is no part of the backup.
    const bornMs = was.createdAt === position.createdAt ? markedMs : Date.parse(position.createdAt);
    return newestBefore(jsm, { stream, position, boundMs: Math.min(markedMs, bornMs) });
  });
  const known = (await Promise.all(moments)).filter((moment) => moment !== undefined);
  return { ...fall, since: new Date(Math.min(Date.parse(fall.since), ...known)).toISOString() };
}
