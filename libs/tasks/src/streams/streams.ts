// Tested by tests/src/worker/settings_test.ts
// Tested by libs/tasks/src/broker/declare_missing_test.ts
import { JetStreamApiError, type JetStreamManager, type StreamConfig, type StreamInfo } from "@nats-io/jetstream";
import { nanos } from "@nats-io/nats-core";
import { type Difference, findDifferences, setBack } from "./settings_check.ts";
import { type CopiesWanted, describeCopies, isTooFewServers } from "./copies.ts";
import { explainRefusal, ForeignStreamError, isForeign } from "./foreign_stream.ts";
import { LATER, neededStreams, SOURCE, type StreamNeed, TASKS, type Topology } from "./stream_needs.ts";

export { AUDIT, DEAD, EVENTS, LATER, type StreamName, TASKS } from "./stream_needs.ts";

/**
 * Version of Muster's settings; raised with every change in stream_needs.ts. A stream is only changed to a higher version, so an old
 * process cannot undo a new one's settings.
 */
export const SETTINGS_VERSION = 4;
/** Key of a stream's or consumer's metadata that holds {@linkcode SETTINGS_VERSION}. */
export const VERSION_KEY = "muster-settings";
/**
 * Time that the server waits for an ack or heartbeat before it delivers a message again, ms. Each lane has it, and the keeper relies on it.
 */
export const ACK_WAIT_MS = 20_000;
/** Key of the metadata while a change of several steps is under way. After a crash the next process does the rest, without an alarm. */
const CHANGING_KEY = "muster-changing";

/** JetStream's codes for a stream that does not exist, and for one that another process has just created. */
export const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_TAKEN = 10058;
/** JetStream's code for a request that only a leader can answer, while there is none. */
export const NO_LEADER = 10008;
/**
 * JetStream's codes for a write whose expected last sequence is wrong: on a single server, and on a cluster while another write is under
 * way.
 */
export const WRONG_LAST_SEQUENCE = 10071;
export const WRITE_UNDER_WAY = 10164;

function codeOf(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined;
}

/** Whether JetStream said that the stream does not exist. No other failure means that. */
export function isStreamGone(error: unknown): boolean {
  return codeOf(error) === STREAM_NOT_FOUND;
}

/** Whether a compare-and-set found another value than it expected. */
export function isConflict(error: unknown): boolean {
  const code = codeOf(error);
  return code === WRONG_LAST_SEQUENCE || code === WRITE_UNDER_WAY;
}

/** A stream whose settings Muster needed otherwise. */
export interface Deviation {
  readonly stream: string;
  readonly differences: readonly Difference[];
  /** Whether somebody changed them by hand. Otherwise an older Muster wrote them. */
  readonly isByHand: boolean;
  /** Why the server refused to set them back; undefined: it did not refuse. */
  readonly refusal: string | undefined;
}

type Update = Partial<StreamConfig>;

/** The version of Muster's settings in the metadata of a stream or a consumer; undefined: it has none. */
export function settingsVersionOf({ metadata }: Pick<Update, "metadata">): number | undefined {
  const text = metadata?.[VERSION_KEY];
  return text === undefined ? undefined : Number(text);
}

/** Settings that Muster needs otherwise; none where a newer version wrote them. */
export function inspectSettings(need: StreamNeed, config: Update): readonly Difference[] {
  return (settingsVersionOf(config) ?? 0) > SETTINGS_VERSION ? [] : findDifferences(need, config);
}

/** The settings to change. The client takes all others from the stream as it is then. */
function changesFor(need: StreamNeed, config: Update, differences: readonly Difference[]): Update {
  const { [CHANGING_KEY]: _, ...metadata } = config.metadata ?? {};
  const isNewVersion = settingsVersionOf(config) !== SETTINGS_VERSION;
  return {
    ...setBack(need, config, differences),
    // A description that somebody removed by hand stays away.
    ...(isNewVersion && !config.description ? { description: need.description } : {}),
    metadata: { ...metadata, [VERSION_KEY]: String(SETTINGS_VERSION) },
  };
}

/** Whether a stream's settings need neither a change nor a report. */
export function isAsNeeded(need: StreamNeed, config: Update): boolean {
  const version = settingsVersionOf(config) ?? 0;
  if (version > SETTINGS_VERSION) return true;
  return version === SETTINGS_VERSION && findDifferences(need, config).length === 0;
}

/** Throws {@linkcode ForeignStreamError} for a stream that another application has made. */
export function requireOurs(need: StreamNeed, config: StreamConfig): void {
  if (isForeign(need, config, VERSION_KEY)) throw new ForeignStreamError(need.name, config.subjects);
}

/**
 * Sets back the settings that Muster needs otherwise, and leaves the operator's settings alone. Returns what was wrong.
 *
 * Does nothing to a stream whose settings a newer version wrote.
 */
export async function mendSettings(
  jsm: JetStreamManager,
  need: StreamNeed,
  { config }: Pick<StreamInfo, "config">,
): Promise<Deviation | undefined> {
  if (isAsNeeded(need, config)) return undefined;
  requireOurs(need, config);
  const version = settingsVersionOf(config);
  const differences = findDifferences(need, config);
  // Where the version is missing too, somebody has written the settings anew.
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

/**
 * Creates a stream; `taken`: another process has just done so. Where there are fewer servers than copies, it has one copy, unless the number is set.
 *
 * Throws where the number is set and there are too few servers.
 */
export async function createStream(
  jsm: JetStreamManager,
  need: StreamNeed,
  { atLeast, by }: CopiesWanted,
): Promise<StreamInfo | "taken"> {
  const { name, description, settings, atCreation } = need;
  const metadata = { [VERSION_KEY]: String(SETTINGS_VERSION) };
  try {
    return await jsm.streams.add({ name, description, num_replicas: atLeast, metadata, ...settings, ...atCreation });
  } catch (error) {
    if (codeOf(error) === STREAM_NAME_TAKEN) return "taken";
    if (!isTooFewServers(error) || atLeast === 1) throw await explainRefusal(jsm, need, error);
    if (by === "default") return await createStream(jsm, need, { atLeast: 1, by });
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `Cannot create ${name} with ${describeCopies(atLeast)}: JetStream says "${why}"; start more servers, or lower MUSTER_REPLICAS`,
      { cause: error },
    );
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

/** The infos of those streams that exist, in order; all are asked at once. Throws when nobody answers. */
export async function readStreams(jsm: JetStreamManager, names: readonly string[]): Promise<readonly StreamInfo[]> {
  const found = await Promise.all(names.map((name) => findStream(jsm, name)));
  return found.filter((info) => info !== undefined);
}

/**
 * Makes TASKS look for its source at once, by taking the source away and giving it back. By itself the server does so ten seconds after its
 * start, and later still where LATER was created anew. Until then no delayed task and no retry comes.
 *
 * The first step marks the settings as changing. After a crash between the two steps, the next process does the second one. All other
 * settings stay: each step sends those that the stream has just then.
 */
export async function renewSource(jsm: JetStreamManager): Promise<void> {
  const { config } = await jsm.streams.info(TASKS);
  const ours = (config.sources ?? []).find(({ name }) => name === LATER) ?? SOURCE;
  const others = (config.sources ?? []).filter(({ name }) => name !== LATER);
  await jsm.streams.update(TASKS, { sources: others, metadata: { ...config.metadata, [CHANGING_KEY]: "sources" } });
  const { config: now } = await jsm.streams.info(TASKS);
  const { [CHANGING_KEY]: _, ...metadata } = now.metadata ?? {};
  const stillOthers = (now.sources ?? []).filter(({ name }) => name !== LATER);
  await jsm.streams.update(TASKS, { sources: [ours, ...stillOthers], metadata });
}

/** Longest silence of a healthy source, ms: it says something every second. */
const SOURCE_SILENT_MS = 1_500;

/**
 * How TASKS hears its source LATER, by the stream's own info. `unheard`: not yet since its leader leads, or since the source was given.
 */
export type SourceState = "heard" | "silent" | "unheard";

/** Tells how TASKS hears its source. */
export function sourceState({ sources = [] }: Pick<StreamInfo, "sources">): SourceState {
  const ours = sources.filter(({ name }) => name === LATER);
  if (ours.some(({ active }) => active < 0)) return "unheard";
  return ours.some(({ active }) => active > nanos(SOURCE_SILENT_MS)) ? "silent" : "heard";
}

/** A stream is missing, and our user may not create it. */
export class StreamMissingError extends Error {
  override readonly name = "StreamMissingError";
  readonly stream: string;
  constructor(stream: string) {
    super(
      `Cannot use ${stream}: it does not exist, and the NATS user of this process may not create it; start a scheduler, or run a \`muster\` command as operator`,
    );
    this.stream = stream;
  }
}

export interface Declared {
  /** Streams that were missing. */
  readonly created: readonly StreamNeed[];
  /** Streams whose settings Muster needed otherwise. */
  readonly deviations: readonly Deviation[];
}

export interface DeclareOptions extends Topology {
  readonly copies: CopiesWanted;
  /** Whether our user may create and change streams. Asked only where one is missing or wrong. */
  mayChange(): Promise<boolean>;
  /** Runs for each stream that is there, once its settings are right. */
  onFound(need: StreamNeed, info: StreamInfo): Promise<void>;
  /** Runs after a stream was created, before the next one is looked at. */
  onCreated(need: StreamNeed, made: StreamInfo): Promise<void>;
}

/** Declares missing streams, also those of the buckets, and sets wrong settings of the others back. Throws `ForeignStreamError`. */
export async function declareStreams(jsm: JetStreamManager, options: DeclareOptions): Promise<Declared> {
  const created: StreamNeed[] = [];
  const deviations: Deviation[] = [];
  for (const need of neededStreams(options)) {
    let info = await findStream(jsm, need.name);
    if (info === undefined) {
      if (!(await options.mayChange())) throw new StreamMissingError(need.name);
      const made = await createStream(jsm, need, options.copies);
      if (made !== "taken") {
        created.push(need);
        await options.onCreated(need, made);
        continue;
      }
      info = await findStream(jsm, need.name);
      if (info === undefined) throw new StreamMissingError(need.name); // gone again: the caller looks anew
    }
    requireOurs(need, info.config);
    const isRight = isAsNeeded(need, info.config) || !(await options.mayChange());
    const deviation = isRight ? undefined : await mendSettings(jsm, need, info);
    if (deviation !== undefined) deviations.push(deviation);
    await options.onFound(need, info);
  }
  const isNew = (name: string) => created.some((need) => need.name === name);
  if (isNew(LATER) && !isNew(TASKS)) await renewSource(jsm);
  return { created, deviations };
}
