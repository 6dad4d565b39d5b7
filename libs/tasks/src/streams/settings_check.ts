// Tested by tests/src/worker/settings_test.ts
import { DiscardPolicy, RetentionPolicy, type StreamConfig, type StreamSource } from "@nats-io/jetstream";
import { isDeepStrictEqual } from "node:util";
import { type Field, NEUTRAL, type StreamNeed } from "./stream_needs.ts";

/** A setting that Muster needs otherwise. */
export interface Difference {
  /** The stream, e.g. `TASKS` or `KV_locks`, or the consumer. */
  readonly stream: string;
  readonly field: string;
  /** As an operator writes it, e.g. `5s`. */
  readonly found: string;
  readonly needed: string;
  /** The consequence, as the end of a sentence. */
  readonly effect: string;
  /** `no`: the server refuses the change. */
  readonly canBeSetBack: "yes" | "no";
}

type Config = Partial<StreamConfig>;

/** The value of a setting that a stream does not state. */
const ABSENT: Readonly<Record<string, unknown>> = {
  ...NEUTRAL,
  ...{ subjects: [], sources: [], allow_direct: false, allow_atomic: false },
  ...{ duplicate_window: 0, subject_delete_marker_ttl: 0, discard: DiscardPolicy.Old },
};

function settingOf(config: Config, field: string): unknown {
  const value: unknown = Reflect.get(config, field);
  return value === undefined || value === null ? ABSENT[field] : value;
}

const isLimited = (value: unknown) => typeof value === "number" && value > 0;
const atLeast = (found: unknown, needed: unknown) => Number(found) >= Number(needed);

function hasSource(found: readonly StreamSource[], { name, opt_start_seq, subject_transforms }: StreamSource): boolean {
  return found.some(
    (source) =>
      source.name === name &&
      source.opt_start_seq === opt_start_seq &&
      !source.filter_subject &&
      isDeepStrictEqual(source.subject_transforms, subject_transforms),
  );
}

/** At such a limit the server refuses what is new and loses nothing, so the limit is the operator's. */
const losesNothing = (found: unknown, _needed: unknown, { discard }: Config) =>
  !isLimited(found) || discard === DiscardPolicy.New;

/** Settings for which other values than the needed one are right as well. */
const SERVES: Readonly<Record<string, (found: unknown, needed: unknown, config: Config) => boolean>> = {
  max_msgs: losesNothing,
  max_bytes: losesNothing,
  duplicate_window: atLeast,
  subject_delete_marker_ttl: atLeast,
  max_msgs_per_subject: (found, needed) => found === needed || (isLimited(needed) && atLeast(found, needed)),
  subjects: (found, needed) => (needed as string[]).every((subject) => (found as string[]).includes(subject)),
  sources: (found, needed) => (needed as StreamSource[]).every((source) => hasSource(found as StreamSource[], source)),
};

/** The consequence of a wrong value. */
const EFFECTS: Readonly<Record<string, string>> = {
  max_age: "older messages are deleted without a trace",
  max_msgs: "the oldest messages are deleted without a trace",
  max_bytes: "the oldest messages are deleted without a trace",
  max_msgs_per_subject: "messages of one subject delete each other, or are refused",
  duplicate_window: "a message that is published again is stored again sooner",
  subject_delete_marker_ttl: "watchers do not hear of keys that lapse",
  allow_direct: "what is read may be stale, or cannot be read at once",
  max_msg_size: "messages are refused that Muster takes, or taken that do not fit into a retry or dead letter",
  discard: "at a limit the oldest messages are deleted without a trace",
  subjects: "messages that Muster publishes are not stored",
  sources: "delayed tasks and retries never become due",
  republish: "workers do not hear of new tasks at once",
  retention: "messages are kept or deleted at another time than Muster needs",
  storage: "what is stored is lost when the server restarts",
  persist_mode: "acknowledged messages are lost when the power fails",
  sealed: "nothing can be stored",
  deny_delete: "nothing can be deleted",
  deny_purge: "nothing can be purged",
  allow_rollup_hdrs: "one publish with a roll-up header can delete all that is stored, or a bucket cannot be written",
  allow_msg_ttl: "one publish with a time to live can delete a task, or a key of a bucket does not lapse",
  allow_atomic: "the scheduler cannot publish",
  no_ack: "nobody hears whether a message was stored",
  max_consumers: "workers cannot create their consumers",
};

/** Settings whose wrong value takes what was stored, or keeps it from being stored. */
const LOSING: ReadonlySet<string> = new Set([
  ...["max_age", "max_msgs", "max_bytes", "max_msgs_per_subject", "discard"],
  ...["subjects", "retention", "storage", "persist_mode"],
]);

const isTrue = (found: unknown) => found === true;
/** Differences that the server does not let anybody correct. */
const FIXED: Readonly<Record<string, (found: unknown, needed: unknown) => boolean>> = {
  storage: () => true,
  persist_mode: () => true,
  allow_msg_counter: () => true,
  retention: (found, needed) => found === RetentionPolicy.Workqueue || needed === RetentionPolicy.Workqueue,
  sealed: isTrue,
  deny_delete: isTrue,
  deny_purge: isTrue,
  allow_msg_ttl: isTrue,
  allow_msg_schedules: isTrue,
};

const DURATIONS: ReadonlySet<string> = new Set([
  "max_age",
  "duplicate_window",
  "subject_delete_marker_ttl",
  "ack_wait",
]);

/** The value of a setting as an operator reads it. */
export function showSetting(field: string, value: unknown): string {
  if (DURATIONS.has(field)) return value === 0 ? "none" : `${Number(value) / 1e9}s`;
  if (value === -1) return "no limit";
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "none");
}

/** All settings of this stream that Muster controls. */
function lookedAfter({ settings, operators = [] }: StreamNeed): Config {
  const all = Object.entries({ ...NEUTRAL, ...settings });
  return Object.fromEntries(all.filter(([field]) => !operators.includes(field as Field)));
}

/** Compares a stream's configuration with what Muster needs. A setting that belongs to the operator is no difference. */
export function findDifferences(need: StreamNeed, config: Config): readonly Difference[] {
  return Object.entries(lookedAfter(need)).flatMap(([field, needed]): Difference[] => {
    const found = settingOf(config, field);
    const serves = SERVES[field] ?? isDeepStrictEqual;
    if (serves(found, needed, config)) return [];
    return [
      {
        stream: need.name,
        field,
        found: showSetting(field, found),
        needed: showSetting(field, needed),
        effect: EFFECTS[field] ?? "Muster's promises rest on it",
        canBeSetBack: FIXED[field]?.(found, needed) === true ? "no" : "yes",
      },
    ];
  });
}

/** Our subjects, and those of the operator that cannot overlap with ours. */
function mergedSubjects(found: readonly string[], needed: readonly string[]): readonly string[] {
  const ours = new Set([...needed.map((subject) => subject.split(".", 1)[0]), "*", ">"]);
  return [...needed, ...found.filter((subject) => !ours.has(subject.split(".", 1)[0]))];
}

function mergedValue(field: string, found: unknown, needed: unknown): unknown {
  if (field === "subjects") return mergedSubjects(found as string[], needed as string[]);
  if (field !== "sources") return needed;
  const ours = new Set((needed as StreamSource[]).map(({ name }) => name));
  return [...(needed as StreamSource[]), ...(found as StreamSource[]).filter(({ name }) => !ours.has(name))];
}

/** The settings that correct these differences, as far as the server permits. */
export function setBack(need: StreamNeed, config: Config, differences: readonly Difference[]): Config {
  const needed = lookedAfter(need);
  const changes = differences
    .filter(({ canBeSetBack }) => canBeSetBack === "yes")
    .map(({ field }) => [field, mergedValue(field, settingOf(config, field), Reflect.get(needed, field))]);
  return Object.fromEntries(changes);
}

/** Whether messages may have been lost by it. */
export function canLose({ field }: Difference): boolean {
  return LOSING.has(field);
}

/** One line on a difference, for people. */
export function describeDifference({ stream, field, found, needed, effect }: Difference): string {
  return `${stream} has ${field} ${found} and Muster needs ${needed}: ${effect}`;
}
