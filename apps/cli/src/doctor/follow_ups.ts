import type { Broker } from "@muster/tasks";
import { type Finding, warning } from "./finding.ts";

/**
 * What running processes show with entries that lapse, and in which bucket. While the bucket stores nothing the entries lapse, even though
 * the processes run.
 */
const SHOWN_BY_ENTRIES = {
  scheduler: { bucket: "locks", what: "which scheduler leads what", abouts: ["scheduler"] },
  workers: { bucket: "workers", what: "which workers run, and what none of them knows,", abouts: ["workers", "tasks"] },
} as const;

/**
 * Removes findings about absent processes if their bucket stores nothing, since no process could be seen. A full store is one cause, and
 * not three.
 *
 * The caller must have asked `broker` whether it can store.
 */
export function withoutFollowUps(
  { storage }: Pick<Broker, "storage">,
  about: keyof typeof SHOWN_BY_ENTRIES,
  findings: readonly Finding[],
): readonly Finding[] {
  const { bucket, what, abouts } = SHOWN_BY_ENTRIES[about];
  if (storage.takes(`KV_${bucket}`)) return findings;
  const seen = findings.filter((finding) => finding.state === "good" || !abouts.some((each) => each === finding.about));
  if (seen.length === findings.length) return findings;
  const text = `${what} cannot be told while bucket ${bucket} takes no messages; see storage`;
  return [...seen, warning(about, text)];
}

/** Findings that are read from the database alone. */
const FROM_DATABASE = ["pilots", "CEs"];

/** What cannot be told of the configuration where the database cannot be read. The reason follows. */
export const UNTOLD = "no VO is configured, and whether one was cannot be told";

/** Removes what only repeats that the database is bad. That is one cause, and the look at the database itself says why. */
export function withoutDatabaseFollowUps(
  database: readonly Finding[],
  findings: readonly Finding[],
): readonly Finding[] {
  if (database.every(({ state }) => state !== "bad")) return findings;
  return findings
    .filter(({ about, state }) => !FROM_DATABASE.includes(about) || state !== "bad")
    .map((finding) => (finding.text.startsWith(UNTOLD) ? { ...finding, text: `${UNTOLD}; see PostgreSQL` } : finding));
}

/** Removes incidents that still last, since a finding about the present state already says the same. */
export function withoutTold(told: readonly Finding[], incidents: readonly Finding[]): readonly Finding[] {
  return incidents.filter(({ text }) => !told.some((finding) => text.startsWith(`${finding.text} (`)));
}
