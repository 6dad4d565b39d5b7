// Tested by libs/tasks/src/lead/shared_lead_test.ts
// Tested by libs/tasks/src/lead/revived_lead_test.ts
import * as z from "zod";
import { type LockBucket, LOCKS_STREAM, openLockReader } from "../lease/lock_bucket.ts";
import type { Broker } from "../broker/broker.ts";
import { headersFrom, isMark, MESSAGE_TTL, storedHeaders } from "../format/headers.ts";
import { expecting } from "../broker/marker.ts";
import { isConflict } from "../streams/streams.ts";
import { escapeToken } from "../format/token.ts";

/*
 * One key says who leads what. A key for each task would cost one renewal each; here a scheduler renews only its session.
 *
 * An entry counts as long as its session's lock is held. No safety rests on the table: each occurrence is published once, by its marker.
 */

/** The key in the bucket `locks` that says who leads what. */
export const LEADERS_KEY = "scheduler.leader";
/** Subjects of the table and of all sessions. */
export const LEAD_SUBJECTS = "$KV.locks.scheduler.>";
export const LEADERS_SUBJECT = `$KV.locks.${LEADERS_KEY}`;
/** Longest part of a foreign value that is shown, characters. */
const SHOWN = 100;
/** Lifetime of a table that nobody writes again, ms. Schedulers older than the table need it: they lead once the key is empty. */
export const TABLE_TTL_MS = 120_000;

/** The key of the lock that a scheduler holds while it leads something. `number` tells its sessions apart. */
export function sessionKey(worker: string, number: number): string {
  return `scheduler.session.${escapeToken(worker)}-${number}`;
}

const Leader = z.looseObject({
  worker: z.string(),
  /** Key of the lock of the leader's session. */
  session: z.string(),
  /** Holder of that lock, as the lock's value states it. */
  holder: z.string(),
  /** The charges that it leads: tasks, chores and rests. */
  leads: z.array(z.string()),
});
const Table = z.looseObject({ leaders: z.array(Leader) });
/** The lease of a scheduler older than the table. It holds the key itself, and leads everything. */
const OldLease = z.looseObject({ holder: z.string(), worker: z.string(), taskId: z.string().startsWith("scheduler/") });
export type Leader = z.infer<typeof Leader>;

/** What is stored under {@linkcode LEADERS_KEY}. */
export interface LeaderTable {
  /** Revision of the key that was read. A write expects it. */
  readonly revision: number;
  readonly leaders: readonly Leader[];
  /** Name of a scheduler of an older version that holds the key by a lease. */
  readonly older: string | undefined;
  /** The beginning of a value that is neither a table nor a lease. */
  readonly foreign: string | undefined;
}

type Parsed = Omit<LeaderTable, "revision">;
const NOTHING: Parsed = { leaders: [], older: undefined, foreign: undefined };

function parseTable(text: string): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined; // no JSON
  }
  const leaders = Table.safeParse(value).data?.leaders;
  if (leaders !== undefined) return { ...NOTHING, leaders };
  const older = OldLease.safeParse(value).data?.worker;
  return older === undefined ? { ...NOTHING, foreign: text.slice(0, SHOWN) } : { ...NOTHING, older };
}

/** Reads the table from the stream's leader. Throws when nobody answers. */
export async function readLeaders({ jsm }: Pick<Broker, "jsm">): Promise<LeaderTable> {
  const stored = await jsm.streams.getMessage(LOCKS_STREAM, { last_by_subj: LEADERS_SUBJECT });
  if (stored === null) return { ...NOTHING, revision: 0 };
  return { ...(isMark(storedHeaders(stored)) ? NOTHING : parseTable(stored.string())), revision: stored.seq };
}

/** Replaces the table of `revision`. Returns false where another revision is stored. */
export async function writeLeaders(
  broker: Pick<Broker, "js">,
  { revision, leaders, ttlMs = TABLE_TTL_MS }: Pick<LeaderTable, "revision" | "leaders"> & { readonly ttlMs?: number },
): Promise<boolean> {
  const headers = headersFrom({ ...expecting(revision), [MESSAGE_TTL]: `${ttlMs}ms` });
  try {
    await broker.js.publish(LEADERS_SUBJECT, JSON.stringify({ leaders }), { headers });
    return true;
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}

/** A leader whose session's lock is held. */
export interface LivingLeader extends Leader {
  /** TTL of the session's lock, ms: the session is over this long after its last renewal. */
  readonly ttlMs: number | undefined;
}

/** Those of `leaders` whose session's lock is held. Throws when nobody answers. */
export async function livingOf(
  bucket: Pick<LockBucket, "read">,
  leaders: readonly Leader[],
): Promise<readonly LivingLeader[]> {
  const found = await Promise.all(leaders.map(({ session }) => bucket.read(session)));
  return leaders.flatMap((leader, index) => {
    const lock = found[index];
    return lock?.kind === "taken" && lock.holder === leader.holder ? [{ ...leader, ttlMs: lock.ttlMs }] : [];
  });
}

/** Who leads what now, for people. */
export interface FoundLeaders {
  /** The leading scheduler's name by task, chore (`chore <name>`) and rest (`_`). */
  readonly leaders: ReadonlyMap<string, string>;
  /** The beginning of a value under the key that Muster did not write. Any running scheduler replaces it. */
  readonly foreign: string | undefined;
}

/** Looks up who leads what. Throws when nobody answers. */
export async function findLeaders(broker: Broker): Promise<FoundLeaders> {
  const { leaders, foreign } = await readLeaders(broker);
  const living = await livingOf(openLockReader(broker.jsm), leaders);
  const pairs = living.flatMap(({ worker, leads }) => leads.map((charge): [string, string] => [charge, worker]));
  return { leaders: new Map(pairs.reverse()), foreign };
}
