// Tested by tests/src/worker/settings_test.ts
// Tested by libs/tasks/src/broker/declare_missing_test.ts
import { JetStreamApiError, type JetStreamManager, type StreamConfig, type StreamInfo } from "@nats-io/jetstream";
import { nanos } from "@nats-io/nats-core";
import { type Difference, findDifferences, setBack } from "./settings_check.ts";
import { LATER, neededStreams, SOURCE, type StreamNeed, TASKS, type TopologyOptions } from "./stream_needs.ts";

export { DEAD, EVENTS, LATER, type StreamName, TASKS } from "./stream_needs.ts";

/** Raised with every change in stream_needs.ts; a stream is only ever changed upwards, so that an old process cannot undo a new one's. */
export const SETTINGS_VERSION = 3;
export const VERSION_KEY = "muster-settings";
/** How long the server waits for an ack or heartbeat before it hands a message to somebody else, ms: of each lane, and what the keeper reckons with. */
export const ACK_WAIT_MS = 20_000;
/** Stands in the metadata while a change of several steps is under way: whoever comes after a crash does the rest, without an alarm. */
const CHANGING_KEY = "muster-changing";

/** JetStream's answer for a stream that does not exist, and for one that somebody else has created a moment ago. */
export const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_TAKEN = 10058;
/** JetStream's answers to a write whose expected last sequence is not the last: on a single server, and while another write is under way on a cluster. */
export const WRONG_LAST_SEQUENCE = 10071;
export const WRITE_UNDER_WAY = 10164;

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

/** A stream whose settings were not as Muster needs them. */
export interface Deviation {
  readonly stream: string;
  readonly differences: readonly Difference[];
  /** Where somebody changed them by hand, and not an older Muster. */
  readonly isByHand: boolean;
  /** Why the server refused to have them set back; undefined: it did not. */
  readonly refusal: string | undefined;
}

type Update = Partial<StreamConfig>;

/** The version of Muster's settings that a stream or a consumer bears; undefined: none. */
export function settingsVersionOf({ metadata }: Pick<Update, "metadata">): number | undefined {
  const text = metadata?.[VERSION_KEY];
  return text === undefined ? undefined : Number(text);
}

/** What a stream's settings lack, and whether they are this version's business. */
export function inspectSettings(need: StreamNeed, config: Update): readonly Difference[] {
  return (settingsVersionOf(config) ?? 0) > SETTINGS_VERSION ? [] : findDifferences(need, config);
}

/** What to change. The client takes everything else from the stream as it is by then. */
function changesFor(need: StreamNeed, config: Update, differences: readonly Difference[]): Update {
  const { [CHANGING_KEY]: _, ...metadata } = config.metadata ?? {};
  const isNewVersion = settingsVersionOf(config) !== SETTINGS_VERSION;
  return {
    ...setBack(need, config, differences),
    // One that was taken away by hand stays away.
    ...(isNewVersion && !config.description ? { description: need.description } : {}),
    metadata: { ...metadata, [VERSION_KEY]: String(SETTINGS_VERSION) },
  };
}

/** Whether nothing about a stream's settings is to be done or told. */
export function isAsNeeded(need: StreamNeed, config: Update): boolean {
  const version = settingsVersionOf(config) ?? 0;
  if (version > SETTINGS_VERSION) return true;
  return version === SETTINGS_VERSION && findDifferences(need, config).length === 0;
}

/**
 * Sets back what is not as Muster needs it, and leaves the rest as it is: that is the operator's. Returns what was not.
 *
 * A stream whose settings are a newer version's is left alone.
 */
export async function mendSettings(
  jsm: JetStreamManager,
  need: StreamNeed,
  { config }: Pick<StreamInfo, "config">,
): Promise<Deviation | undefined> {
  if (isAsNeeded(need, config)) return undefined;
  const version = settingsVersionOf(config);
  const differences = findDifferences(need, config);
  // Where the version is missing as well, somebody has written the settings anew.
  const isByHand = config.metadata?.[CHANGING_KEY] === undefined && (version ?? SETTINGS_VERSION) === SETTINGS_VERSION;
  const deviation = { stream: need.name, differences, isByHand };
  const isChangeable = differences.some(({ canBeSetBack }) => canBeSetBack === "yes");
  if (version === SETTINGS_VERSION && !isChangeable) return { ...deviation, refusal: undefined };
  try {
    await jsm.streams.update(need.name, changesFor(need, config, differences));
    return differences.length === 0 ? undefined : { ...deviation, refusal: undefined };
  } catch (error) {
    if (!(error instanceof JetStreamApiError)) throw error;
    return { ...deviation, refusal: error.message };
  }
}

async function createStream(
  jsm: JetStreamManager,
  { name, description, settings, atCreation }: StreamNeed,
  replicas: number,
): Promise<"created" | "found"> {
  const metadata = { [VERSION_KEY]: String(SETTINGS_VERSION) };
  try {
    await jsm.streams.add({ name, description, num_replicas: replicas, metadata, ...settings, ...atCreation });
    return "created";
  } catch (error) {
    if (codeOf(error) === STREAM_NAME_TAKEN) return "found";
    throw error;
  }
}

async function findStream(jsm: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    if (isStreamGone(error)) return undefined;
    throw error;
  }
}

/** What those of the streams that exist say of themselves, in order; all are asked at once. Throws when nobody answers. */
export async function readStreams(jsm: JetStreamManager, names: readonly string[]): Promise<readonly StreamInfo[]> {
  const found = await Promise.all(names.map((name) => findStream(jsm, name)));
  return found.filter((info) => info !== undefined);
}

/**
 * Makes TASKS look for its source at once. By itself it does so ten seconds after the server was started, and later still where
 * LATER was created anew: for so long no delayed task and no retry would come.
 *
 * The first step marks the settings as changing, so that whoever comes after a crash between the two does the second. Everything else
 * stays as it is.
 */
export async function renewSource(jsm: JetStreamManager): Promise<void> {
  const { config } = await jsm.streams.info(TASKS);
  const others = (config.sources ?? []).filter(({ name }) => name !== LATER);
  const ours = (config.sources ?? []).find(({ name }) => name === LATER) ?? SOURCE;
  const { [CHANGING_KEY]: _, ...metadata } = config.metadata ?? {};
  await jsm.streams.update(TASKS, { ...config, sources: others, metadata: { ...metadata, [CHANGING_KEY]: "sources" } });
  await jsm.streams.update(TASKS, { ...config, sources: [ours, ...others], metadata });
}

/** A source that is well says something every second, ms. */
const SOURCE_SILENT_MS = 1_500;

/** Whether TASKS has lost its source, by the stream's own word. */
export function isSourceLost({ sources = [] }: StreamInfo): boolean {
  return sources.some(({ name, active }) => name === LATER && active > nanos(SOURCE_SILENT_MS));
}

export interface Declared {
  /** Streams that were missing. */
  readonly created: readonly StreamNeed[];
  /** Streams whose settings were not as they must be. */
  readonly deviations: readonly Deviation[];
}

export interface DeclareOptions extends TopologyOptions {
  /** Runs when a stream was just created, before the next one is looked at. */
  onCreated(need: StreamNeed): Promise<void>;
}

/** Declares the streams and the buckets' streams where they are missing, and sets their settings back where they are not as they must be. */
export async function declareStreams(jsm: JetStreamManager, options: DeclareOptions): Promise<Declared> {
  const created: StreamNeed[] = [];
  const deviations: Deviation[] = [];
  for (const need of neededStreams(options)) {
    const info = await findStream(jsm, need.name);
    if (info === undefined) {
      if ((await createStream(jsm, need, options.replicas ?? 1)) === "found") continue;
      created.push(need);
      await options.onCreated(need);
      continue;
    }
    const deviation = await mendSettings(jsm, need, info);
    if (deviation !== undefined) deviations.push(deviation);
  }
  const isNew = (name: string) => created.some((need) => need.name === name);
  if (isNew(LATER) && !isNew(TASKS)) await renewSource(jsm);
  return { created, deviations };
}
