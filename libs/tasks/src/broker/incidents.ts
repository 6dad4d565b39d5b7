import type { JetStreamManager } from "@nats-io/jetstream";
import type { KV } from "@nats-io/kv";
import { headers as newHeaders } from "@nats-io/nats-core";
import { createHash } from "node:crypto";
import type { Requests } from "./requests.ts";
import { MESSAGE_TTL } from "../format/headers.ts";
import { escapeToken } from "../format/token.ts";

/** Lifetime of an incident, days. It spans a long weekend and some days. */
export const INCIDENT_DAYS = 7;
/** Largest number of incidents that are kept. */
const KEPT = 60;
const PREFIX = "incident.";
const SUBJECTS = "$KV.results.";
/** `incident.<kind>.<about, escaped>.<digest of the text>`. Early versions wrote no digest. */
const OUR_KEY = /^incident\.[A-Za-z0-9_-]+\.[A-Za-z0-9_=-]+(?:\.[0-9a-f]{16})?$/;
/** Lifetime of the trace of a removed incident. */
const TRACE_TTL = "1s";

/** Something that happened to a stream, bucket or consumer, kept for `muster doctor`. */
export interface Incident {
  /** E.g. `settings`, `gone`, `purged`. */
  readonly kind: string;
  /** A stream, a bucket or a consumer. */
  readonly about: string;
  readonly text: string;
  /** Whether work was lost, or may have been, that nothing stores again by itself. */
  readonly isLoss: boolean;
  /** When it happened last, RFC 3339. */
  readonly at: string;
  /** When it happened first, among those that are still remembered. */
  readonly firstAt: string;
  /** Number of times since `firstAt`. */
  readonly times: number;
}

/** What has happened. */
export interface Happened extends Pick<Incident, "kind" | "about" | "text"> {
  /** As in {@linkcode Incident}. Default false. */
  readonly isLoss?: boolean;
}

/** The parts of a broker that keep incidents. */
interface IncidentStore {
  readonly jsm: JetStreamManager;
  readonly buckets: { readonly results: KV };
}

/** The parts of a broker that keep incidents and remove them. */
interface IncidentKeeper extends IncidentStore {
  readonly requests: Pick<Requests, "store">;
}

/** An incident in the form that an early version may have stored. */
type StoredIncident = Omit<Incident, "isLoss"> & Partial<Pick<Incident, "isLoss">>;

function isIncident(value: unknown): value is StoredIncident {
  if (typeof value !== "object" || value === null) return false;
  const { kind, about, text, at, firstAt, times } = value as Partial<Record<keyof Incident, unknown>>;
  return [kind, about, text, at, firstAt].every((each) => typeof each === "string") && typeof times === "number";
}

function isKept({ at }: StoredIncident): boolean {
  // The broker may bring back an incident that had lapsed.
  return Date.parse(at) > Date.now() - INCIDENT_DAYS * 86_400_000;
}

interface Kept {
  readonly key: string;
  readonly revision: number;
  readonly incident: Incident;
}

async function readIncident({ buckets }: IncidentStore, key: string): Promise<Kept | undefined> {
  const entry = await buckets.results.get(key);
  if (entry === null || entry.operation !== "PUT") return undefined;
  try {
    const value: unknown = entry.json();
    if (!isIncident(value) || !isKept(value)) return undefined;
    return { key, revision: entry.revision, incident: { ...value, isLoss: value.isLoss === true } };
  } catch {
    return undefined; // not written by Muster
  }
}

/** Kinds that describe a state. Every process that meets the state reports it, and all these reports count once. */
const TOLD_BY_ALL: ReadonlySet<string> = new Set(["configuration"]);

const keyOf = ({ kind, about, text }: Happened) =>
  `${PREFIX}${kind}.${escapeToken(about)}.${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;

/** Sorts incidents that lost work before all others, and the newest first in both groups. */
function byWeight(a: Kept, b: Kept): number {
  return Number(b.incident.isLoss) - Number(a.incident.isLoss) || b.revision - a.revision;
}

/** The keys of incidents. The KV client would make a consumer for each list, and the server has a limit of those. */
async function keysOf({ jsm }: Pick<IncidentStore, "jsm">): Promise<readonly string[]> {
  const { state } = await jsm.streams.info("KV_results", { subjects_filter: `${SUBJECTS}${PREFIX}>` });
  return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(SUBJECTS.length));
}

async function readAll(broker: IncidentStore): Promise<readonly Kept[]> {
  const kept: Kept[] = [];
  for (const key of await keysOf(broker)) {
    // Another user may have written a key that is a pattern.
    if (!OUR_KEY.test(key)) continue;
    const found = await readIncident(broker, key);
    if (found !== undefined) kept.push(found);
  }
  return kept.sort(byWeight);
}

/** Removes incidents above the limit: the oldest without a loss. Only if there are none, it removes the oldest with one. */
async function removeSurplus(broker: IncidentKeeper, most: number): Promise<void> {
  // For nearly all incidents this one small request shows that there is nothing to read.
  if ((await keysOf(broker)).length <= most) return;
  for (const { key } of (await readAll(broker)).slice(most)) {
    await broker.buckets.results.purge(key, { ttl: TRACE_TTL });
  }
}

/**
 * Keeps an incident for {@linkcode INCIDENT_DAYS}, in the bucket `results`. An incident with a known text increases the count of that one. One with a new
 * text is kept beside the others: its damage may be another, and must not hide theirs.
 */
export async function keepIncident(
  broker: IncidentKeeper,
  happened: Happened,
  { most = KEPT }: { readonly most?: number } = {},
): Promise<void> {
  const { kind, about, text, isLoss = false } = happened;
  const key = keyOf(happened);
  const before = (await readIncident(broker, key))?.incident;
  const at = new Date().toISOString();
  const incident: Incident = {
    ...{ kind, about, text, isLoss, at },
    firstAt: before?.firstAt ?? at,
    times: before === undefined ? 1 : before.times + (TOLD_BY_ALL.has(kind) ? 0 : 1),
  };
  const headers = newHeaders();
  headers.set(MESSAGE_TTL, `${INCIDENT_DAYS * 24}h`);
  await broker.requests.store({ subject: `${SUBJECTS}${key}`, body: JSON.stringify(incident), headers });
  await removeSurplus(broker, most);
}

/** Returns the incidents of the last {@linkcode INCIDENT_DAYS}: those that lost work first, then the others, each group with the newest first. */
export async function listIncidents(broker: IncidentStore): Promise<readonly Incident[]> {
  return (await readAll(broker)).map(({ incident }) => incident);
}
