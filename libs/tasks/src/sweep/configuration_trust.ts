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
 * Smallest age of a message for an unknown VO before it becomes a dead letter, and of the last change of the configuration, ms. Its VO may
 * have just been added, or be added next.
 */
const GRACE_MS = 10_000;
const READS_AT_ONCE = 32;

/** Whether a VO may be called unknown at all. Not by a configuration that names none, and not while the newest one is not in force. */
export function mayJudgeUnknown({ configuration, problem }: FoundConfiguration): boolean {
  return problem === undefined && namesVos(configuration);
}

/** Time for which a message of an unknown VO is still left alone, ms. */
export function graceLeftMs({ changedAt }: FoundConfiguration, storedAt: Date, now: number): number {
  return Math.max(storedAt.getTime(), changedAt?.getTime() ?? 0) + GRACE_MS - now;
}

/** Whether a message is older than the first configuration: it was published under one that is lost. */
export function isOlderThan({ configuration: { createdAt } }: FoundConfiguration, storedAt: Date): boolean {
  return createdAt !== undefined && storedAt.getTime() < Date.parse(createdAt);
}

/** Reports messages that are older than the configuration, and how an operator decides about them. */
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
    return false; // not one of our markers, whatever the configuration says
  }
}

type Count = readonly [subject: string, count: number];

/** Of unwanted markers, those whose VO is surely gone. A lost marker can let one schedule fire twice. */
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
