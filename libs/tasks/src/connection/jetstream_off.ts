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

/** The client's name for both; it does not export the class. */
const NOT_ENABLED = "JetStreamNotEnabled";
/** JetStream's answer for an account without it. */
const NOT_FOR_ACCOUNT = 10039;

/** `error`, or a {@linkcode JetStreamOffError} where that is what it means. Nobody's answer may mean a change of leader too, where the server has JetStream. */
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

/** Opens the manager of JetStream, which must answer. Throws {@linkcode JetStreamOffError}, and what JetStream reports. */
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
