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

/** Removes incidents that still last, since a finding about the present state already says the same. */
export function withoutTold(told: readonly Finding[], incidents: readonly Finding[]): readonly Finding[] {
  return incidents.filter(({ text }) => !told.some((finding) => text.startsWith(`${finding.text} (`)));
}
