// Tested by libs/tasks/src/lead/shared_lead_test.ts
// Tested by libs/tasks/src/lead/older_lead_test.ts
import { setTimeout as pause } from "node:timers/promises";
import type { Lease } from "../lease/lease.ts";
import { type LockBucket, openLockReader } from "../lease/lock_bucket.ts";
import type { Locks } from "../locks/locks.ts";
import type { Broker } from "../broker/broker.ts";
import { subscribeLasting } from "../connection/lasting_subscription.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { createBell } from "../connection/bell.ts";
import type { Charges } from "./charges.ts";
import {
  LEAD_SUBJECTS,
  LEADERS_KEY,
  LEADERS_SUBJECT,
  type Leader,
  type LeaderTable,
  type LivingLeader,
  livingOf,
  readLeaders,
  sessionKey,
  TABLE_TTL_MS,
  writeLeaders,
} from "./leaders.ts";
import type { Reporter } from "./reporter.ts";

/** Longest time from one look at the table to the next, ms, also when no change was announced. */
const LOOK_MS = 5_000;
/** Delay of a look after a silent session must have lapsed, ms. */
const LAPSED_MS = 100;
/** Shortest time between two looks while a session is silent, ms. */
const SILENT_LOOK_MS = 1_000;
/** Delay of the next look after a failed one, ms. */
const REST_MS = 1_000;
/** Longest delay of the next look after another scheduler wrote first, ms. Chance picks the delay, so that two do not collide again. */
const RACE_MS = 50;
/** Longest wait for the release of a session, ms. A session that is not released lapses. */
const RELEASE_MS = 1_000;

export interface ElectionOptions {
  readonly broker: Broker;
  /** Where the session's lock is taken. */
  readonly locks: Locks;
  readonly worker: string;
  /** The charges that this process is able to lead. */
  readonly wanted: readonly string[];
  readonly report: Reporter;
  /** Lifetime of the table, ms; default 120,000. A leader writes the table again after a quarter of it. */
  readonly tableTtlMs?: number;
}

/** Takes the charges that nobody leads, keeps them, and gives them up at the end. */
export interface Election {
  readonly charges: Charges;
  /** Stands for election until `signal` aborts. Throws when the connection is closed. */
  run(signal: AbortSignal): Promise<void>;
}

function isSame(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one].every((charge) => other.has(charge));
}

/**
 * Hears what is written about the lead. This is only a hint: nobody announces a session that lapses, or what is written during a reconnect.
 */
function listenToLead(
  broker: Broker,
  {
    onTable,
    onSession,
  }: {
    onTable(value: string): void;
    onSession(key: string, isOver: boolean): void;
  },
): Disposable {
  // Without the right to listen, the look every few seconds is enough.
  return subscribeLasting(broker.nc, { subject: LEAD_SUBJECTS }, (message) => {
    if (message.subject === LEADERS_SUBJECT) onTable(message.string());
    else onSession(message.subject.replace("$KV.locks.", ""), message.headers?.has("KV-Operation") ?? false);
  });
}

/** What one process knows of the election. Only this file reads and writes it; others see `led` and `elsewhere` as {@linkcode Charges}. */
interface Standing {
  readonly options: ElectionOptions;
  readonly bucket: Pick<LockBucket, "read">;
  /** The lock that proves that this process lives. Set when there is something to lead; undefined once lost or given up. */
  session: Lease | undefined;
  /** Sessions opened so far; it numbers their keys. */
  sessions: number;
  /** Other schedulers that lead something, from the last look. Decides when to look again. */
  rivals: readonly LivingLeader[];
  /**
   * The table's revision at the last look, and when that revision was seen first, by `performance.now()`. Tells when to write the table
   * again.
   */
  seen: { readonly revision: number; readonly atMs: number };
  /** What this process leads, and what other living schedulers lead. Only `adopt` changes either, and then calls `onChange`. */
  led: ReadonlySet<string>;
  elsewhere: ReadonlySet<string>;
  /** Wakes the loop and tells the listeners of `Charges`. */
  onChange(): void;
}

function adopt(standing: Standing, led: Iterable<string>, elsewhere: ReadonlySet<string>): void {
  const next = standing.session === undefined ? new Set<string>() : new Set(led);
  if (isSame(next, standing.led) && isSame(elsewhere, standing.elsewhere)) return;
  standing.led = next;
  standing.elsewhere = elsewhere;
  standing.onChange();
}

async function openSession(standing: Standing): Promise<Lease> {
  const { locks, worker, report } = standing.options;
  const key = sessionKey(worker, ++standing.sessions);
  const answer = await locks.tryAcquire([key], { taskId: `scheduler/${worker}`, untilMs: Number.POSITIVE_INFINITY });
  const lease = answer.kind === "taken" ? answer.leases[0] : undefined;
  if (lease === undefined) throw new Error(`Cannot lead: somebody else holds lock "${key}"; delete it`);
  lease.signal.addEventListener("abort", () => {
    if (standing.session !== lease) return;
    standing.session = undefined;
    report.note("lead lost", "This scheduler has lost the lead and stands by", { cause: lease.signal.reason });
    adopt(standing, [], standing.elsewhere);
  });
  return lease;
}

/** Gives everything up. Does not wait for a silent broker: the session lapses. */
async function resign(standing: Standing): Promise<void> {
  const { session } = standing;
  standing.session = undefined;
  adopt(standing, [], standing.elsewhere);
  if (session !== undefined) await Promise.race([session.release(), pause(RELEASE_MS, undefined, { ref: false })]);
}

function isIn({ leaders }: LeaderTable, own: Leader): boolean {
  return leaders.some(({ holder, leads }) => holder === own.holder && isSame(new Set(leads), new Set(own.leads)));
}

/** Whether the table was written so long ago that it must be written again before its TTL ends. */
function isWornOut(standing: Standing, { revision }: LeaderTable): boolean {
  const now = performance.now();
  if (standing.seen.revision !== revision) standing.seen = { revision, atMs: now };
  return now - standing.seen.atMs >= renewMs(standing.options);
}

function renewMs({ tableTtlMs = TABLE_TTL_MS }: ElectionOptions): number {
  return tableTtlMs / 4;
}

function tellReplaced({ report, broker }: ElectionOptions, { foreign, older }: LeaderTable): void {
  if (older !== undefined) {
    report.note("older leader", `${older}, a scheduler of an older version, led everything; from now on it stands by`);
  }
  if (foreign === undefined) return;
  const found = `Key ${LEADERS_KEY} of bucket locks held ${JSON.stringify(foreign)}, which names no leaders`;
  const text = `${found}; it was replaced. Do not write to this key: pause schedules with \`muster schedule pause\``;
  report.alarm("leaders", text, { key: LEADERS_KEY, value: foreign });
  broker.keepIncident({ kind: "lead", about: LEADERS_KEY, text });
}

/**
 * Looks at the table once, and tries to take what nobody leads. Returns false where another scheduler wrote meanwhile. Throws when nobody
 * answers.
 */
async function stand(standing: Standing): Promise<boolean> {
  const { broker, worker, wanted, tableTtlMs = TABLE_TTL_MS } = standing.options;
  const table = await readLeaders(broker);
  const others = table.leaders.filter(({ holder }) => holder !== standing.session?.holder);
  standing.rivals = await livingOf(standing.bucket, others);
  const taken = new Set(standing.rivals.flatMap(({ leads }) => leads));
  const free = wanted.filter((charge) => !taken.has(charge));
  // A charge that another scheduler leads is given up at once. A new charge counts only after the table is written.
  adopt(
    standing,
    [...standing.led].filter((charge) => !taken.has(charge)),
    taken,
  );
  if (free.length === 0) {
    await resign(standing);
    return true;
  }
  standing.session ??= await openSession(standing);
  const { key: session, holder } = standing.session;
  const own = { worker, session, holder, leads: free };
  const isStale = isWornOut(standing, table);
  if (!isIn(table, own) || isStale) {
    const kept = standing.rivals.map(({ ttlMs: _ttlMs, ...leader }) => leader);
    const next = { revision: table.revision, leaders: [...kept, own], ttlMs: tableTtlMs };
    if (!(await writeLeaders(broker, next))) return false;
  }
  tellReplaced(standing.options, table);
  adopt(standing, free, taken);
  return true;
}

/** Time until a rival's session may have lapsed, ms; at most the time until the next look. */
function lookInMs({ options, rivals }: Standing, heardAt: ReadonlyMap<string, number>): number {
  const now = performance.now();
  const lapses = rivals
    .filter(({ leads }) => leads.some((charge) => options.wanted.includes(charge)))
    .map(({ session, ttlMs = LOOK_MS }) => (heardAt.get(session) ?? now) + ttlMs + LAPSED_MS - now);
  return Math.min(LOOK_MS, renewMs(options), Math.max(SILENT_LOOK_MS, Math.min(...lapses)));
}

/** Creates an election. It opens nothing before `run`. */
export function createElection(options: ElectionOptions): Election {
  const { broker, report } = options;
  const bell = createBell();
  const listeners = new Set<() => void>();
  const heardAt = new Map<string, number>();
  const standing: Standing = {
    options,
    bucket: openLockReader(broker.jsm),
    session: undefined,
    sessions: 0,
    rivals: [],
    seen: { revision: 0, atMs: performance.now() },
    led: new Set(),
    elsewhere: new Set(),
    onChange() {
      bell.ring();
      for (const listener of listeners) listener();
    },
  };

  async function look(): Promise<number> {
    try {
      if (!(await stand(standing))) return Math.random() * RACE_MS;
      for (const session of heardAt.keys()) {
        if (!standing.rivals.some((rival) => rival.session === session)) heardAt.delete(session);
      }
      return lookInMs(standing, heardAt);
    } catch (cause) {
      if (broker.nc.isClosed()) throw cause;
      const tell = isSilence(cause) ? report.note : report.alarm;
      tell("lead look", "Cannot look for what nobody leads; trying again", { cause });
      return REST_MS;
    }
  }

  return {
    charges: {
      get led() {
        return standing.led;
      },
      get elsewhere() {
        return standing.elsewhere;
      },
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    async run(signal) {
      using _listening = listenToLead(broker, {
        onTable: () => bell.ring(),
        onSession(key, isOver) {
          heardAt.set(key, performance.now());
          if (isOver && standing.rivals.some(({ session }) => session === key)) bell.ring();
        },
      });
      try {
        while (!signal.aborted) await bell.sleep(await look(), signal);
      } finally {
        await resign(standing);
      }
    },
  };
}
