import type { KV } from "@nats-io/kv";
import { headers as newHeaders } from "@nats-io/nats-core";
import type { Requests } from "./requests.ts";
import { MESSAGE_TTL } from "../format/headers.ts";
import { escapeToken } from "../format/token.ts";

/** Lifetime of an incident, hours: over a long weekend, and some days. */
const KEPT_HOURS = 168;
const PREFIX = "incident.";
/** `incident.<kind>.<about, escaped>`. */
const OUR_KEY = /^incident\.[A-Za-z0-9_-]+\.[A-Za-z0-9_=-]+$/;

/** Something that happened to a stream, bucket or consumer, kept for `muster doctor`. */
export interface Incident {
  /** E.g. `settings`, `gone`, `purged`. */
  readonly kind: string;
  /** A stream, a bucket or a consumer. */
  readonly about: string;
  readonly text: string;
  /** When it happened last, RFC 3339. */
  readonly at: string;
  /** When it happened first, among those that are still remembered. */
  readonly firstAt: string;
  /** How often since then. */
  readonly times: number;
}

/** Where incidents are kept. */
interface IncidentStore {
  readonly buckets: { readonly results: KV };
}

function isIncident(value: unknown): value is Incident {
  if (typeof value !== "object" || value === null) return false;
  const { kind, about, text, at, firstAt, times } = value as Partial<Record<keyof Incident, unknown>>;
  return [kind, about, text, at, firstAt].every((each) => typeof each === "string") && typeof times === "number";
}

function isKept({ at }: Incident): boolean {
  // The broker may bring back an incident that had lapsed.
  return Date.parse(at) > Date.now() - KEPT_HOURS * 3_600_000;
}

async function readIncident({ buckets }: IncidentStore, key: string): Promise<Incident | undefined> {
  const entry = await buckets.results.get(key);
  if (entry === null || entry.operation !== "PUT") return undefined;
  try {
    const value: unknown = entry.json();
    return isIncident(value) && isKept(value) ? value : undefined;
  } catch {
    return undefined; // not written by Muster
  }
}

/** Kinds that describe a state. Every process that meets the state reports it, and all these reports count once. */
const TOLD_BY_ALL: ReadonlySet<string> = new Set(["configuration"]);

/**
 * Keeps an incident for seven days, in the bucket `results`. It replaces an earlier one of the same kind about the same thing, and counts
 * on.
 */
export async function keepIncident(
  broker: IncidentStore & { readonly requests: Pick<Requests, "store"> },
  { kind, about, text }: Pick<Incident, "kind" | "about" | "text">,
): Promise<void> {
  const key = `${PREFIX}${kind}.${escapeToken(about)}`;
  const before = await readIncident(broker, key);
  const at = new Date().toISOString();
  const incident: Incident = {
    ...{ kind, about, text, at },
    firstAt: before?.firstAt ?? at,
    times: before === undefined ? 1 : before.times + (TOLD_BY_ALL.has(kind) ? 0 : 1),
  };
  const headers = newHeaders();
  headers.set(MESSAGE_TTL, `${KEPT_HOURS}h`);
  await broker.requests.store({ subject: `$KV.results.${key}`, body: JSON.stringify(incident), headers });
}

/** The incidents of the last seven days, the newest first. */
export async function listIncidents(broker: IncidentStore): Promise<readonly Incident[]> {
  const incidents: Incident[] = [];
  for await (const key of await broker.buckets.results.keys(`${PREFIX}>`)) {
    // Somebody else may have written a key that is a pattern.
    if (!OUR_KEY.test(key)) continue;
    const incident = await readIncident(broker, key);
    if (incident !== undefined) incidents.push(incident);
  }
  return incidents.sort((a, b) => b.at.localeCompare(a.at));
}
