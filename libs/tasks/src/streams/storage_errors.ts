import type { JetStreamApiError } from "@nats-io/jetstream";

/** JetStream's codes for missing room, and the name of the limit. */
const LIMITS: ReadonlyMap<number, string> = new Map([
  [10023, "the server's limit (max_file_store or max_memory_store)"],
  [10047, "the server's limit for files (max_file_store)"],
  [10028, "the server's limit for memory (max_memory_store)"],
  [10002, "the account's limit"],
  [10077, "the stream's own limit"],
]);
/** The code that says only that one stream did not accept a message. */
const STREAM_LIMIT = 10077;

/** How far a limit reaches. */
export type LimitReach = "stream" | "all streams";

/** JetStream had no room for a message and did not store it. Publishing it again is safe. */
export class StorageLimitError extends Error {
  override readonly name = "StorageLimitError";
  readonly stream: string;
  /** JetStream's code, e.g. 10023. */
  readonly code: number;
  readonly reach: LimitReach;
  constructor(stream: string, limit: string, cause: JetStreamApiError) {
    super(
      `Cannot store a message in ${stream}: ${limit} is reached (JetStream says: ${cause.message}); delete what is not needed, or raise the limit; \`muster doctor\` shows what takes the room`,
      { cause },
    );
    this.stream = stream;
    this.code = cause.code;
    this.reach = cause.code === STREAM_LIMIT ? "stream" : "all streams";
  }
}

/** The error for a publisher whose message JetStream refused: a {@linkcode StorageLimitError} where there is no room for it. */
export function refusalOf(stream: string, error: JetStreamApiError): Error {
  const limit = LIMITS.get(error.code);
  return limit === undefined ? error : new StorageLimitError(stream, limit, error);
}

const BY_FIRST_TOKEN: Readonly<Record<string, string>> = {
  tasks: "TASKS",
  markers: "TASKS",
  later: "LATER",
  due: "LATER",
  dead: "DEAD",
  events: "EVENTS",
  audit: "AUDIT",
};

/** The stream that stores `subject`. */
export function streamOf(subject: string): string {
  const [first = "", second = ""] = subject.split(".", 2);
  return first === "$KV" ? `KV_${second}` : (BY_FIRST_TOKEN[first] ?? first);
}
