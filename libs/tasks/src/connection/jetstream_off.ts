import {
  JetStreamApiError,
  type JetStreamManager,
  type JetStreamManagerOptions,
  jetstreamManager,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { whoIs } from "./forbidden.ts";

/** The server, or the account of our user, has no JetStream: nothing of Muster works there. */
export class JetStreamOffError extends Error {
  override readonly name = "JetStreamOffError";
  constructor(where: string, found: string, cause: unknown) {
    super(`Cannot use NATS at ${where}: ${found}`, { cause });
  }
}

/** Name of the client's error for both cases. The client does not export its class. */
const NOT_ENABLED = "JetStreamNotEnabled";
/** JetStream's code for an account that has no JetStream. */
const NOT_FOR_ACCOUNT = 10039;

/**
 * Returns a {@linkcode JetStreamOffError} where `error` means that, and otherwise `error`.
 *
 * Where the server has JetStream, the same error may also mean that the leader is changing.
 */
function asJetStreamOff(nc: NatsConnection, error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== NOT_ENABLED) return error;
  const { cause } = error;
  if (cause instanceof JetStreamApiError && cause.code === NOT_FOR_ACCOUNT) {
    const found = `the account of ${whoIs(nc) ?? "a user without a login"} has no JetStream; give it to that account, or log in as a user of one that has it`;
    return new JetStreamOffError(nc.getServer(), found, error);
  }
  if (nc.info?.jetstream === true) return error;
  const found =
    "JetStream is off at this server; switch it on in its configuration (jetstream), or set NATS_URL to a server that has it";
  return new JetStreamOffError(nc.getServer(), found, error);
}

/** Opens the manager of JetStream and waits for its answer. Throws {@linkcode JetStreamOffError}, and what JetStream reports. */
export async function openJetStream(
  nc: NatsConnection,
  options: JetStreamManagerOptions = {},
): Promise<JetStreamManager> {
  try {
    return await jetstreamManager(nc, { ...options, checkAPI: true });
  } catch (error) {
    throw asJetStreamOff(nc, error);
  }
}
