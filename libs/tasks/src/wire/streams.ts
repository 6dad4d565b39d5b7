import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  PersistMode,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
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

/** JetStream's answer for a stream that does not exist, and for one that somebody else has created a moment ago. */
export const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_TAKEN = 10058;
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
      // From the first that is left: where a source's place is forgotten, the server would begin at the newest task's time and
      // leave what had fired before it where it lies.
      sources: [{ name: LATER, opt_start_seq: 1, subject_transforms: [{ src: "due.>", dest: "tasks.>" }] }],
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

/**
 * Settings that a stream is given once.
 *
 * TASKS goes on sourcing where it was, so a LATER that was created anew must count on from above what the old one had, or what
 * fires in it would be taken for known. The time in microseconds is above any count.
 *
 * EVENTS is written to its file a moment after the server has taken an event in, also with `sync_interval: always`: nothing is proven by an
 * event, and two of them go with each task (decision 27). Copies of a stream on other servers exclude it.
 */
function settingsAtCreation({ name, num_replicas }: Settings): Partial<StreamConfig> {
  if (name === LATER) return { first_seq: Date.now() * 1_000 };
  if (name === EVENTS && num_replicas === 1) return { persist_mode: PersistMode.Async };
  return {};
}

async function declareStream(jsm: JetStreamManager, settings: Settings): Promise<"created" | "found"> {
  try {
    const { config } = await jsm.streams.info(settings.name);
    const isOlder = Number(config.metadata?.[VERSION_KEY] ?? 0) < SETTINGS_VERSION;
    if (isOlder) await jsm.streams.update(settings.name, settings);
    return "found";
  } catch (error) {
    if (!isStreamGone(error)) throw error;
  }
  try {
    await jsm.streams.add({ ...settings, ...settingsAtCreation(settings) });
    return "created";
  } catch (error) {
    if (codeOf(error) === STREAM_NAME_TAKEN) return "found";
    throw error;
  }
}

/**
 * Makes TASKS look for its source at once. By itself it does so ten seconds after the server was started, and later still where
 * LATER was created anew: for so long no delayed task and no retry would come.
 *
 * The first step lowers the version, so that whoever comes after a crash between the two does the second.
 */
export async function renewSource(jsm: JetStreamManager, options: TopologyOptions): Promise<void> {
  const settings = settingsOf(options).find(({ name }) => name === TASKS);
  if (settings === undefined) return;
  await jsm.streams.update(TASKS, { ...settings, sources: [], metadata: { [VERSION_KEY]: "0" } });
  await jsm.streams.update(TASKS, settings);
}

/** A source that is well says something every second, ms. */
const SOURCE_SILENT_MS = 1_500;

/** Whether TASKS has lost its source, by the stream's own word. */
export function isSourceLost({ sources = [] }: StreamInfo): boolean {
  return sources.some(({ name, active }) => name === LATER && active > nanos(SOURCE_SILENT_MS));
}

/** Declares the four streams where they are missing, and answers which ones were. */
export async function declareStreams(jsm: JetStreamManager, options: TopologyOptions): Promise<readonly StreamName[]> {
  const created = new Set<StreamName>();
  for (const settings of settingsOf(options)) {
    if ((await declareStream(jsm, settings)) === "created") created.add(settings.name);
  }
  if (created.has(LATER) && !created.has(TASKS)) await renewSource(jsm, options);
  return [...created];
}
