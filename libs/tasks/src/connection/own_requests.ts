import { headers as newHeaders, type MsgHdrs, type NatsConnection } from "@nats-io/nats-core";

/** Header that marks a request to JetStream's API as Muster's own. The watches for changes by hand read it. */
const OWN = "Muster-Request";
/** Longest wait for JetStream's answer, ms. */
const ANSWER_MS = 5_000;

/** JetStream's code for a failed purge: the stream's store cannot be written. */
const PURGE_FAILED = 10051;

/** JetStream's code for a request that only a leader can answer, while there is none. */
const NO_LEADER = 10008;

/** JetStream refused one of Muster's own requests. */
export class ApiRefusedError extends Error {
  override readonly name = "ApiRefusedError";
  readonly code: number;
  /** The server's words. */
  readonly reason: string;
  /** Whether the stream's store cannot be written. */
  readonly isWriteError: boolean;
  /** Whether the stream has no leader, since too few of its servers run. */
  readonly isLeaderless: boolean;
  constructor(subject: string, { err_code: code = 0, description = "" }: ApiError) {
    super(`JetStream refuses ${subject}: ${description} (${code})`);
    this.code = code;
    this.reason = description;
    this.isWriteError = code === PURGE_FAILED;
    this.isLeaderless = code === NO_LEADER;
  }
}

interface ApiError {
  readonly err_code?: number;
  readonly description?: string;
}

/** Marks a request as Muster's own. */
export function markOwn(headers: MsgHdrs): void {
  headers.set(OWN, "1");
}

/**
 * Sends a request to JetStream's API that would raise an alarm if an operator sent it. Returns how many messages were purged, where it was a
 * purge. Throws {@linkcode ApiRefusedError}, and a timeout.
 */
export async function askAsMuster(nc: NatsConnection, subject: string, body: object = {}): Promise<number> {
  const headers = newHeaders();
  markOwn(headers);
  const answer = await nc.request(subject, JSON.stringify(body), { timeout: ANSWER_MS, headers });
  const { error, purged = 0 } = answer.json<{ error?: ApiError; purged?: number }>();
  if (error !== undefined) throw new ApiRefusedError(subject, error);
  return purged;
}

/** Whether Muster itself sent this request. */
export function isOwnRequest({ headers }: { readonly headers?: { has(key: string): boolean } | undefined }): boolean {
  return headers?.has(OWN) === true;
}
