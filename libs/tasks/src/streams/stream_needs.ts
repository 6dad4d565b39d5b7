// Tested by tests/src/worker/settings_test.ts
import {
  DiscardPolicy,
  PersistMode,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamSource,
} from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "@nats-io/nats-core";

export const TASKS = "TASKS";
export const LATER = "LATER";
export const DEAD = "DEAD";
export const EVENTS = "EVENTS";
export const AUDIT = "AUDIT";
export type StreamName = typeof TASKS | typeof LATER | typeof DEAD | typeof EVENTS | typeof AUDIT;

export type BucketName = "locks" | "results" | "schedules" | "config" | "workers";
export const BUCKET_NAMES: readonly BucketName[] = ["locks", "results", "schedules", "config", "workers"];

/** All streams that Muster needs, with those of the buckets. */
export const STREAM_NAMES: readonly string[] = [
  ...[TASKS, LATER, DEAD, EVENTS, AUDIT],
  ...BUCKET_NAMES.map((name) => `KV_${name}`),
];

const DAY_MS = 86_400_000;
/** Room that TASKS leaves below the server's payload limit, bytes. With it a dead letter or a retry with its headers always fits. */
const HEADROOM_BYTES = 64 * 1024;
/** Time for which the trace of a lapsed key stays in a bucket with TTLs, ms. Every watcher sees it in that time. */
const MARKER_TTL_MS = 60_000;
/**
 * For how long it is kept who did what, and the greatest number of records, of a quarter kilobyte each. A limit in bytes would be reserved:
 * an account with less room could not have the stream.
 */
const AUDIT_DAYS = 400;
const AUDIT_RECORDS = 400_000;
/** Time in which a stream refuses a repeated message id, ms: the server's default. */
const DUPLICATE_WINDOW_MS = 120_000;

/** A setting of a stream. */
export type Field = keyof StreamConfig;

/** What Muster needs of one stream. */
export interface StreamNeed {
  readonly name: string;
  /** The bucket that the stream belongs to; undefined: none. */
  readonly bucket?: BucketName;
  /** For readers of `nats stream ls`. Set once; a description of the operator's stays. */
  readonly description: string;
  /** Declared with the stream, and controlled from then on. A setting that is left out must be as in {@linkcode NEUTRAL}. */
  readonly settings: Partial<StreamConfig>;
  /** Set once, when the stream is created; from then on the operator's. */
  readonly atCreation?: Partial<StreamConfig>;
  /** Settings of {@linkcode NEUTRAL} that the operator may change in this stream. */
  readonly operators?: readonly Field[];
}

/**
 * The needed value of each setting that a stream's own line does not state.
 *
 * Settings that are named nowhere are the operator's: placement, tags, compression, description, and foreign metadata. Of the number of
 * copies Muster controls only the least, see copies.ts.
 */
export const NEUTRAL: Readonly<Partial<Record<Field, unknown>>> = {
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  max_consumers: -1,
  max_msgs: -1,
  max_bytes: -1,
  max_age: 0,
  max_msgs_per_subject: -1,
  max_msg_size: -1,
  duplicate_window: nanos(DUPLICATE_WINDOW_MS),
  discard_new_per_subject: false,
  no_ack: false,
  sealed: false,
  deny_delete: false,
  deny_purge: false,
  allow_rollup_hdrs: false,
  allow_msg_ttl: false,
  allow_msg_schedules: false,
  allow_msg_counter: false,
  consumer_limits: {},
  persist_mode: PersistMode.Default,
  subject_transform: undefined,
  mirror: undefined,
};

/** The source that feeds TASKS with the messages that have fired in LATER. */
export const SOURCE: StreamSource = {
  name: LATER,
  // Begin with the first message that is left. The server may forget the place of a source. By default it would then begin at the time of
  // the newest task, and miss what had fired before it.
  opt_start_seq: 1,
  subject_transforms: [{ src: "due.>", dest: "tasks.>" }],
};

/** What the needed settings depend on. */
export interface Topology {
  /** The server's `max_payload`, bytes. */
  readonly maxPayload: number;
  /** Whether the server is one of a cluster. */
  readonly servers: "single" | "cluster";
}

/** The topology as the server states it. Its default `max_payload` counts until it has stated one. */
export function topologyOf({ info }: NatsConnection): Topology {
  return { maxPayload: info?.max_payload ?? 1_048_576, servers: info?.cluster === undefined ? "single" : "cluster" };
}

interface Bucket {
  readonly name: BucketName;
  readonly description: string;
  /** Whether its keys may lapse. */
  readonly keys: "stay" | "may lapse";
  /** Number of values that are kept of one key, default 1. */
  readonly history?: number;
}

function bucketNeed({ name, description, keys, history = 1 }: Bucket): StreamNeed {
  return {
    name: `KV_${name}`,
    bucket: name,
    description,
    settings: {
      subjects: [`$KV.${name}.>`],
      max_msgs_per_subject: history,
      discard: DiscardPolicy.New,
      allow_rollup_hdrs: true,
      // A read from a replica may be stale, and compare-and-set decisions rest on these reads.
      allow_direct: false,
      ...(keys === "may lapse" ? { allow_msg_ttl: true, subject_delete_marker_ttl: nanos(MARKER_TTL_MS) } : {}),
    },
    // Nobody deletes by sequence there: `nats kv add` denies it.
    operators: keys === "may lapse" ? ["deny_delete"] : ["deny_delete", "allow_msg_ttl"],
  };
}

const BUCKETS: readonly Bucket[] = [
  { name: "locks", keys: "may lapse", description: "Muster: who holds which lock. Never restore it from a backup" },
  {
    ...{ name: "results", keys: "may lapse" },
    description: "Muster: results, groups, cancellations and unended starts of tasks; incidents for `muster doctor`",
  },
  { name: "schedules", keys: "stay", description: "Muster: pauses of schedules, and what comes next, for display" },
  {
    ...{ name: "config", keys: "stay", history: 20 },
    description: "Muster: the live configuration, under the key `current`",
  },
  { name: "workers", keys: "may lapse", description: "Muster: the workers that run, each by its own word" },
];

function streamNeeds({ maxPayload, servers }: Topology): readonly StreamNeed[] {
  const maxMessage = Math.max(1024, maxPayload - HEADROOM_BYTES);
  return [
    // LATER comes first: TASKS sources it. What LATER holds outlives a deleted TASKS.
    {
      name: LATER,
      description: "Muster: delayed tasks and retries until their time comes (later.>, then due.>)",
      settings: {
        subjects: ["later.>", "due.>"],
        retention: RetentionPolicy.Workqueue,
        allow_msg_schedules: true,
        max_msg_size: maxMessage,
      },
      // TASKS goes on sourcing at its last sequence. So a LATER that is created anew must begin above every sequence of the old one, or
      // TASKS would skip what fires in it. The time in microseconds is above any of them.
      atCreation: { first_seq: Date.now() * 1_000 },
      // The server switches roll-ups on in a stream with schedules.
      operators: ["allow_rollup_hdrs"],
    },
    {
      name: TASKS,
      description: "Muster: tasks that wait or run (tasks.<Task>.<vo>), and the schedules' markers",
      settings: {
        subjects: ["tasks.>", "markers.>"],
        retention: RetentionPolicy.Workqueue,
        discard: DiscardPolicy.New,
        allow_atomic: true,
        allow_direct: false,
        max_msg_size: maxMessage,
        // The server sets none for a stream with sources.
        duplicate_window: nanos(DUPLICATE_WINDOW_MS),
        sources: [SOURCE],
        republish: { src: "tasks.>", dest: "wake.>", headers_only: true },
      },
    },
    {
      name: DEAD,
      description: "Muster: dead letters, the tasks that were given up, until they are requeued or deleted",
      settings: { subjects: ["dead.>"], allow_direct: true },
    },
    {
      name: EVENTS,
      description: "Muster: what happened to tasks, for people (events.<Task>.<vo>.<event>); kept for a day",
      settings: { subjects: ["events.>"] },
      atCreation: {
        max_age: nanos(DAY_MS),
        max_msgs: 1_000_000,
        discard: DiscardPolicy.Old,
        // The server writes an event to its file a moment after it has accepted it, also with `sync_interval: always`. That is enough: no
        // event proves anything, and each task has two of them (decision 27). The server does not permit it for a stream with several copies, and
        // the mode can never be changed. So a stream on a cluster does not have it, whatever its number of copies is now.
        ...(servers === "single" ? { persist_mode: PersistMode.Async } : {}),
      },
      operators: [
        ...(["max_age", "max_msgs", "max_bytes", "max_msgs_per_subject", "max_msg_size"] as const),
        ...(["discard_new_per_subject", "persist_mode", "duplicate_window"] as const),
      ],
    },
    {
      name: AUDIT,
      description: "Muster: who did what (audit.<action>), from the command line and the dashboard; kept for 400 days",
      settings: { subjects: ["audit.>"] },
      atCreation: { max_age: nanos(AUDIT_DAYS * DAY_MS), max_msgs: AUDIT_RECORDS, discard: DiscardPolicy.Old },
      operators: [
        "max_age",
        "max_msgs",
        "max_bytes",
        "max_msgs_per_subject",
        "max_msg_size",
        "discard_new_per_subject",
      ],
    },
  ];
}

/** What Muster needs of all its streams, in the order of their declaration. */
export function neededStreams(topology: Topology): readonly StreamNeed[] {
  return [...streamNeeds(topology), ...BUCKETS.map(bucketNeed)];
}
