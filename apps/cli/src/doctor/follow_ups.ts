import type { Broker } from "@muster/tasks";
import { type Finding, warning } from "./finding.ts";

/** What shows itself by entries that lapse, and where. While that bucket takes no messages they lapse, whoever runs. */
const SHOWN_BY_ENTRIES = {
  scheduler: { bucket: "locks", what: "which scheduler leads what", abouts: ["scheduler"] },
  workers: { bucket: "workers", what: "which workers run, and what none of them knows,", abouts: ["workers", "tasks"] },
} as const;

/**
 * Leaves out who is not there, where nobody could be seen: a store that is full is one cause, and not three.
 *
 * `broker` must have been asked whether it can store.
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

/** Leaves out what happened and lasts, and so is told already as it is now. */
export function withoutTold(told: readonly Finding[], incidents: readonly Finding[]): readonly Finding[] {
  return incidents.filter(({ text }) => !told.some((finding) => text.startsWith(`${finding.text} (`)));
}
