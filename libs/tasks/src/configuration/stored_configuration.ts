// Tested by libs/tasks/src/configuration/last_good_test.ts
import type { StoredMsg } from "@nats-io/jetstream";
import type { Broker } from "../broker/broker.ts";
import { headerOf, headersFrom, isMark, storedHeaders } from "../format/headers.ts";
import { isConflict } from "../streams/streams.ts";
import { type CheckedConfiguration, checkConfiguration } from "./check_configuration.ts";
import { type Configuration, namesVos } from "./configuration.ts";

const STREAM = "KV_config";
const PREFIX = "$KV.config.";
/** The one key that holds the whole configuration. With several keys, readers would see changes half-applied. */
export const CURRENT_SUBJECT = `${PREFIX}current`;
/** The key of a copy of the last good configuration, since a purge takes the history of its key along. */
export const KEPT_SUBJECT = `${PREFIX}good`;
/** Header of the copy: the revision that it is a copy of. */
const REVISION = "Configuration-Revision";
/** Greatest number of revisions among which a good one is sought. */
const LOOKED_THROUGH = 64;

/** Why the newest revision is not in force. */
export interface ConfigurationProblem {
  readonly kind: "broken" | "newer" | "deleted" | "empty";
  /** The revision that is not in force. */
  readonly revision: number;
  /** A path such as `tasks.MyPilotTask.schedule`; empty: the whole text. */
  readonly field: string;
  /** One sentence: key, field, both revisions, and the way out. */
  readonly text: string;
}

/** A configuration that was in force once. */
export interface KnownConfiguration {
  readonly configuration: Configuration;
  /** Its revision in the bucket `config`; 0: there is none. */
  readonly revision: number;
}

/** The configuration that counts, and the problem of the newest one. */
export interface FoundConfiguration extends KnownConfiguration {
  /** Undefined: the newest revision is in force. */
  readonly problem: ConfigurationProblem | undefined;
  /** Fields that this version does not know, as paths. */
  readonly unknown: readonly string[];
  /** The revision that a write must expect: the key's newest; 0: none. */
  readonly newest: number;
  /** When the key was last written, deleted or purged, by the broker's clock. */
  readonly changedAt: Date | undefined;
}

const NOTHING: Configuration = { vos: {}, tasks: {} };

async function lastOn({ jsm }: Pick<Broker, "jsm">, subject: string): Promise<StoredMsg | undefined> {
  return (await jsm.streams.getMessage(STREAM, { last_by_subj: subject })) ?? undefined;
}

/** The good revisions in the key's history, the newest last. */
async function readHistory({ jsm }: Pick<Broker, "jsm">): Promise<readonly KnownConfiguration[]> {
  const good: KnownConfiguration[] = [];
  let from = 1;
  for (let looked = 0; looked < LOOKED_THROUGH; looked++) {
    // The client's type knows this query only for direct reads, which a replica may answer.
    const query = { seq: from, next_by_subj: CURRENT_SUBJECT };
    const stored = await jsm.streams.getMessage(STREAM, query);
    if (stored === null) break;
    const checked = isMark(storedHeaders(stored)) ? undefined : checkConfiguration(stored.string());
    if (checked?.kind === "good") good.push({ configuration: checked.configuration, revision: stored.seq });
    from = stored.seq + 1;
  }
  return good;
}

/** The copy of the last good one. */
async function readCopy(broker: Pick<Broker, "jsm">): Promise<KnownConfiguration | undefined> {
  const stored = await lastOn(broker, KEPT_SUBJECT);
  if (stored === undefined || isMark(storedHeaders(stored))) return undefined;
  const checked = checkConfiguration(stored.string());
  if (checked.kind !== "good") return undefined;
  return { configuration: checked.configuration, revision: Number(headerOf(storedHeaders(stored), REVISION)) || 0 };
}

/** The newest good configuration that names VOs; where there is none, the newest good one. */
async function findEarlier(
  broker: Pick<Broker, "jsm">,
  memory: KnownConfiguration | undefined,
  newest: number,
): Promise<KnownConfiguration | undefined> {
  // A revision that was written a moment ago belongs to the next reading.
  const history = (await readHistory(broker)).filter(({ revision }) => revision < newest);
  // A process that was frozen or cut off may remember an older one than the copy.
  const kept = [await readCopy(broker), memory].filter((one) => one !== undefined);
  const known = [...kept.sort((one, other) => one.revision - other.revision), ...history];
  return known.findLast(({ configuration }) => namesVos(configuration)) ?? history.at(-1);
}

/** What an operator can do where no good one is left. */
export const BEGIN_ANEW =
  "put the one that you have kept there with `nats kv put config current`, or begin with one VO alone: `muster vo add <vo> --begin-anew`";
const HOW_TO_MEND = "any `muster vo` or `muster schedule` command that changes something writes a valid one over it";

function describe(
  found: Pick<ConfigurationProblem, "kind" | "field"> & { readonly reason: string },
  revision: number,
  earlier: KnownConfiguration | undefined,
): ConfigurationProblem {
  const { kind, field, reason } = found;
  const what = `Key current of bucket config, revision ${revision}`;
  const where = field === "" ? reason : `${field}: ${reason}`;
  const inForce = earlier
    ? `revision ${earlier.revision} stays in force`
    : "there is no earlier one that is valid, so no VO is known";
  const ways = {
    broken: earlier ? HOW_TO_MEND : BEGIN_ANEW,
    newer: "upgrade this program",
    deleted: earlier ? "any app that runs writes it again" : BEGIN_ANEW,
    empty: "`muster vo remove` is how to remove a VO, and any `muster vo` command writes a valid one over it",
  };
  return { kind, revision, field, text: `${what}, cannot be used: ${where}; ${inForce}; ${ways[kind]}` };
}

function whyNotInForce(
  checked: CheckedConfiguration | undefined,
): Pick<ConfigurationProblem, "kind" | "field"> & { readonly reason: string } {
  if (checked === undefined) return { kind: "deleted", field: "", reason: "it was deleted" };
  if (checked.kind === "good")
    return { kind: "empty", field: "vos", reason: "it names no VO, though an earlier one does" };
  return checked;
}

function inForceNow(
  { configuration, unknown }: Extract<CheckedConfiguration, { kind: "good" }>,
  { seq, time }: StoredMsg,
): FoundConfiguration {
  return { configuration, unknown, revision: seq, newest: seq, changedAt: time, problem: undefined };
}

/**
 * Reads the configuration from the stream's leader: the newest revision where it is good, otherwise the last good one. That comes from the
 * key's history, its copy, or `memory`.
 *
 * One that names no VO counts only where none before it names any. Throws when nobody answers.
 */
export async function findConfiguration(
  broker: Pick<Broker, "jsm">,
  memory?: KnownConfiguration,
): Promise<FoundConfiguration> {
  const newest = await lastOn(broker, CURRENT_SUBJECT);
  const checked =
    newest === undefined || isMark(storedHeaders(newest)) ? undefined : checkConfiguration(newest.string());
  const good = checked?.kind === "good" ? checked : undefined;
  if (good !== undefined && newest !== undefined && namesVos(good.configuration)) {
    return inForceNow(good, newest);
  }
  const earlier = await findEarlier(broker, memory, newest?.seq ?? 0);
  if (good !== undefined && newest !== undefined && (earlier === undefined || !namesVos(earlier.configuration))) {
    return inForceNow(good, newest);
  }
  const { configuration, revision } = earlier ?? { configuration: NOTHING, revision: 0 };
  const inForce = { configuration, revision, newest: newest?.seq ?? 0, changedAt: newest?.time, unknown: [] };
  // No key, and none that was ever good: a new system.
  if (newest === undefined && earlier === undefined) return { ...inForce, problem: undefined };
  const why =
    newest === undefined ? ({ kind: "deleted", field: "", reason: "it has gone" } as const) : whyNotInForce(checked);
  return { ...inForce, problem: describe(why, inForce.newest, earlier) };
}

/** The configuration in force. Throws when nobody answers. */
export async function readConfiguration(broker: Pick<Broker, "jsm">): Promise<Configuration> {
  return (await findConfiguration(broker)).configuration;
}

/**
 * Writes the configuration where revision `expected` is still the newest. Returns its revision. Throws what JetStream reports, also a
 * conflict.
 */
export async function storeConfiguration(
  { js }: Pick<Broker, "js">,
  configuration: Configuration,
  expected: number,
): Promise<number> {
  const { seq } = await js.publish(CURRENT_SUBJECT, JSON.stringify(configuration), {
    expect: { lastSubjectSequence: expected },
  });
  return seq;
}

/** Keeps a copy of a configuration that names VOs, unless the present copy is the same. Several processes may do so. */
export async function keepCopy(
  broker: Pick<Broker, "js" | "jsm">,
  { configuration, revision }: KnownConfiguration,
): Promise<void> {
  if (!namesVos(configuration)) return;
  const text = JSON.stringify(configuration);
  const kept = await lastOn(broker, KEPT_SUBJECT);
  if (kept !== undefined && !isMark(storedHeaders(kept)) && kept.string() === text) return;
  try {
    await broker.js.publish(KEPT_SUBJECT, text, {
      headers: headersFrom({ [REVISION]: String(revision) }),
      expect: { lastSubjectSequence: kept?.seq ?? 0 },
    });
  } catch (error) {
    if (!isConflict(error)) throw error; // another process keeps it
  }
}
