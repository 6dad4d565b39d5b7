// Tested by libs/tasks/src/broker/foreign_stream_test.ts
import { JetStreamApiError, type JetStreamManager, type StreamConfig } from "@nats-io/jetstream";
import type { StreamNeed } from "./stream_needs.ts";

/** What to do where streams of others and ours meet. */
const OWN_ACCOUNT = "give Muster an account of its own in NATS";

/** JetStream's codes for a subject that another stream has, and for an account that may have no more streams. */
const SUBJECTS_OVERLAP = 10065;
const TOO_MANY_STREAMS = 10027;

/** A stream bears the name of one of Muster's, and is another application's. Nothing of it is read or changed. */
export class ForeignStreamError extends Error {
  override readonly name = "ForeignStreamError";
  readonly stream: string;
  constructor(stream: string, subjects: readonly string[]) {
    const found = subjects.length === 0 ? "no subjects" : `the subjects ${subjects.slice(0, 5).join(", ")}`;
    super(`Cannot use ${stream}: another application has a stream of this name, with ${found}; ${OWN_ACCOUNT}`);
    this.stream = stream;
  }
}

/** JetStream refused to create a stream for what the account already has. */
export class StreamRefusedError extends Error {
  override readonly name = "StreamRefusedError";
}

type Found = Pick<StreamConfig, "metadata"> & { readonly subjects?: readonly string[] };

/**
 * Whether a stream of this name is another application's: Muster has never written its settings, and it has none of our subjects. A bucket has
 * our subjects by its name alone, so it is never foreign.
 */
export function isForeign(
  { settings }: StreamNeed,
  { metadata = {}, subjects = [] }: Found,
  versionKey: string,
): boolean {
  const ours = settings.subjects ?? [];
  return metadata[versionKey] === undefined && ours.length > 0 && !ours.some((subject) => subjects.includes(subject));
}

/** The error to throw where a stream could not be created: it names the other stream, or the limit. */
export async function explainRefusal(jsm: JetStreamManager, need: StreamNeed, error: unknown): Promise<unknown> {
  if (!(error instanceof JetStreamApiError)) return error;
  const doing = `Cannot create ${need.name}: JetStream says "${error.message}"`;
  if (error.code === TOO_MANY_STREAMS)
    return new StreamRefusedError(`${doing}; raise the account's limit of streams, or ${OWN_ACCOUNT}`, {
      cause: error,
    });
  if (error.code !== SUBJECTS_OVERLAP) return error;
  const { subjects = [] } = need.settings;
  const others = await namesOf(jsm, subjects);
  const advice = `take ${subjects.join(", ")} away from ${others.join(", ") || "it"}, or ${OWN_ACCOUNT}`;
  return new StreamRefusedError(`${doing}; ${advice}`, { cause: error });
}

/** The streams that have one of these subjects; none where the server does not tell. */
async function namesOf(jsm: JetStreamManager, subjects: readonly string[]): Promise<readonly string[]> {
  const names = new Set<string>();
  try {
    for (const subject of subjects) for await (const name of jsm.streams.names(subject)) names.add(name);
  } catch {
    // The refusal itself is told all the same.
  }
  return [...names];
}
