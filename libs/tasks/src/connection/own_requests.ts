import { headers as newHeaders, type MsgHdrs, type NatsConnection } from "@nats-io/nats-core";

/** Marks a request to JetStream's API as Muster's own, for whoever looks out for what was done by hand. */
const OWN = "Muster-Request";
const ANSWER_MS = 5_000;

/** JetStream's answer to a purge of a stream whose store cannot be written. */
const PURGE_FAILED = 10051;

/** JetStream refused a request of Muster's own. */
export class ApiRefusedError extends Error {
  override readonly name = "ApiRefusedError";
  readonly code: number;
  /** The server's words. */
  readonly reason: string;
  /** Whether the stream's store cannot be written. */
  readonly isWriteError: boolean;
  constructor(subject: string, { err_code: code = 0, description = "" }: ApiError) {
    super(`JetStream refuses ${subject}: ${description} (${code})`);
    this.code = code;
    this.reason = description;
    this.isWriteError = code === PURGE_FAILED;
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

/** Asks JetStream's API for something that an alarm would tell of if an operator asked. Throws {@linkcode ApiRefusedError}, and a timeout. */
export async function askAsMuster(nc: NatsConnection, subject: string, body: object = {}): Promise<void> {
  const headers = newHeaders();
  markOwn(headers);
  const answer = await nc.request(subject, JSON.stringify(body), { timeout: ANSWER_MS, headers });
  const { error } = answer.json<{ error?: ApiError }>();
  if (error !== undefined) throw new ApiRefusedError(subject, error);
}

/** Whether Muster itself has sent this request. */
export function isOwnRequest({ headers }: { readonly headers?: { has(key: string): boolean } | undefined }): boolean {
  return headers?.has(OWN) === true;
}
