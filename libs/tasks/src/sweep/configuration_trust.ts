import { namesVos } from "../configuration/configuration.ts";
import type { FoundConfiguration } from "../configuration/stored_configuration.ts";
import { TASKS } from "../streams/streams.ts";
import { parseLongSubject } from "../format/subject.ts";
import { inParallel } from "../lead/in_parallel.ts";
import { rawAddress } from "./unwanted.ts";
import type { Reporter } from "../lead/reporter.ts";
import type { SweepContext } from "./sweep_context.ts";
import type { SweepRules } from "./sweep_verdict.ts";

/**
 * A message for a VO that nobody knows becomes a dead letter so long after it was stored and after the configuration was changed last,
 * ms: its VO may have been added a moment ago, or be added next.
 */
const GRACE_MS = 10_000;
const READS_AT_ONCE = 32;

/** Whether a VO may be called unknown at all: not by a configuration that names none, nor while the newest one is not in force. */
export function mayJudgeUnknown({ configuration, problem }: FoundConfiguration): boolean {
  return problem === undefined && namesVos(configuration);
}

/** How long a message of an unknown VO is still left alone, ms. */
export function graceLeftMs({ changedAt }: FoundConfiguration, storedAt: Date, now: number): number {
  return Math.max(storedAt.getTime(), changedAt?.getTime() ?? 0) + GRACE_MS - now;
}

/** Whether a message waits from before the first configuration: it was published for one that is lost. */
export function isOlderThan({ configuration: { createdAt } }: FoundConfiguration, storedAt: Date): boolean {
  return createdAt !== undefined && storedAt.getTime() < Date.parse(createdAt);
}

/** Tells of messages that are older than the configuration, and how an operator says what is to become of them. */
export function reportOlder(report: Reporter, subject: string, storedAt: Date): void {
  const { vo } = rawAddress(subject);
  const what = `Messages on ${subject} wait since ${storedAt.toISOString()}, from before the configuration was made, and VO ${vo} is not configured`;
  const way = `add it with \`muster vo add ${vo}\`; to have them dropped, remove it again`;
  report.alarm(`older ${subject}`, `${what}: it may have been lost; ${way}`, { subject, vo });
}

function isOfUnknownVo(subject: string, { configuration }: SweepRules): boolean {
  try {
    return configuration.vos[parseLongSubject(subject).vo] === undefined;
  } catch {
    return false; // no marker of ours, whatever the configuration says
  }
}

type Count = readonly [subject: string, count: number];

/** Of markers that nobody wants those whose VO is surely no more: a marker that is lost can let one schedule fire twice. */
export async function withoutUnsure(
  { broker, configuration: { found }, clock }: SweepContext,
  unwanted: readonly Count[],
  rules: SweepRules,
): Promise<readonly Count[]> {
  const unknown = unwanted.filter(([subject]) => isOfUnknownVo(subject, rules));
  const known = unwanted.filter(([subject]) => !isOfUnknownVo(subject, rules));
  if (!mayJudgeUnknown(found) || graceLeftMs(found, new Date(0), clock.now()) > 0) return known;
  const sure = await inParallel(unknown, READS_AT_ONCE, async ([subject]) => {
    const stored = await broker.jsm.streams.getMessage(TASKS, { last_by_subj: subject });
    return stored !== null && !isOlderThan(found, stored.time);
  });
  return [...known, ...unknown.filter((_, index) => sure[index])];
}
