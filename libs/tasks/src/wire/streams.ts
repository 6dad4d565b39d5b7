import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/nats-core";

export const TASKS = "TASKS";
export const LATER = "LATER";
export const DEAD = "DEAD";
export const EVENTS = "EVENTS";
export type StreamName = typeof TASKS | typeof LATER | typeof DEAD | typeof EVENTS;

/** Raised with every change of a setting below; a stream is only ever changed upwards, so that an old process cannot undo a new one's. */
const SETTINGS_VERSION = 1;
const VERSION_KEY = "muster-settings";
const DAY_MS = 86_400_000;
/** Room that TASKS leaves below the server's payload limit, so that a dead letter or retry with its headers always fits. */
const HEADROOM_BYTES = 64 * 1024;

/** JetStream's answer for a stream that does not exist. */
export const STREAM_NOT_FOUND = 10059;
/** JetStream's answers to a write whose expected last sequence is not the last: on a single server, and while another write is under way on a cluster. */
export const WRONG_LAST_SEQUENCE = 10071;
export const WRITE_UNDER_WAY = 10164;

export interface TopologyOptions {
  /** Copies of each stream and bucket, default 1. */
  readonly replicas?: number;
  /** The server's `max_payload`, bytes. */
  readonly maxPayload: number;
}

type Settings = Partial<StreamConfig> & { readonly name: StreamName };

function settingsOf({ replicas = 1, maxPayload }: TopologyOptions): readonly Settings[] {
  const shared = {
    num_replicas: replicas,
    storage: StorageType.File,
    metadata: { [VERSION_KEY]: String(SETTINGS_VERSION) },
  };
  const maxMessage = Math.max(1024, maxPayload - HEADROOM_BYTES);
  return [
    // LATER comes first: TASKS sources it, and what it holds outlives a deleted TASKS.
    {
      ...shared,
      name: LATER,
      subjects: ["later.>", "due.>"],
      retention: RetentionPolicy.Workqueue,
      allow_msg_schedules: true,
      max_msg_size: maxMessage,
    },
    {
      ...shared,
      name: TASKS,
      subjects: ["tasks.>", "markers.>"],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      allow_atomic: true,
      allow_direct: false,
      max_msg_size: maxMessage,
      duplicate_window: nanos(120_000),
      sources: [{ name: LATER, subject_transforms: [{ src: "due.>", dest: "tasks.>" }] }],
      republish: { src: "tasks.>", dest: "wake.>", headers_only: true },
    },
    { ...shared, name: DEAD, subjects: ["dead.>"], allow_direct: true },
    {
      ...shared,
      name: EVENTS,
      subjects: ["events.>"],
      max_age: nanos(DAY_MS),
      max_msgs: 1_000_000,
      discard: DiscardPolicy.Old,
    },
  ];
}

function codeOf(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined;
}

/** Whether JetStream said that the stream does not exist, which no other failure means. */
export function isStreamGone(error: unknown): boolean {
  return codeOf(error) === STREAM_NOT_FOUND;
}

/** Whether a compare-and-set found another value than it expected. */
export function isConflict(error: unknown): boolean {
  const code = codeOf(error);
  return code === WRONG_LAST_SEQUENCE || code === WRITE_UNDER_WAY;
}

async function declareStream(jsm: JetStreamManager, settings: Settings): Promise<"created" | "found"> {
  try {
    const { config } = await jsm.streams.info(settings.name);
    if (Number(config.metadata?.[VERSION_KEY] ?? 0) < SETTINGS_VERSION)
      await jsm.streams.update(settings.name, settings);
    return "found";
  } catch (error) {
    if (!isStreamGone(error)) throw error;
    await jsm.streams.add(settings);
    return "created";
  }
}

/** Declares the four streams where they are missing, and answers which ones were. */
export async function declareStreams(jsm: JetStreamManager, options: TopologyOptions): Promise<readonly StreamName[]> {
  const created: StreamName[] = [];
  for (const settings of settingsOf(options)) {
    if ((await declareStream(jsm, settings)) === "created") created.push(settings.name);
  }
  return created;
}
