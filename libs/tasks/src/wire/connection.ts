import { credsAuthenticator, type NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { readFile } from "node:fs/promises";

/** The oldest nats-server whose streams, message TTLs, schedules and atomic batches are all that Muster uses. */
export const OLDEST_SERVER = "2.12.0";

/** The server is too old. Older ones ignore a lock's TTL in silence, so nothing may run on them. */
export class ServerTooOldError extends Error {
  override readonly name = "ServerTooOldError";
  readonly found: string;
  constructor(found: string, url: string) {
    super(`Cannot use nats-server ${found} at ${url}: version ${OLDEST_SERVER} or newer is needed; upgrade the server`);
    this.found = found;
  }
}

export interface ConnectOptions {
  /** One URL or several, separated by commas, e.g. `nats://127.0.0.1:4222`. */
  readonly url: string;
  /** Path of a credentials file; none by default. */
  readonly credsFile?: string | undefined;
  /** Shown in the server's list of connections. */
  readonly name: string;
}

function numbers(version: string): number[] {
  return version.split(/[.-]/, 3).map((part) => Number.parseInt(part, 10) || 0);
}

function isOlder(version: string, than: string): boolean {
  const [a, b] = [numbers(version), numbers(than)];
  for (let i = 0; i < 3; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Hides the user and password of each URL. */
export function withoutSecrets(url: string): string {
  return url.replaceAll(/\/\/[^/@,]*@/g, "//***@");
}

/** Connects, and reconnects for ever afterwards. Throws {@linkcode ServerTooOldError}, or an error that names the URL when nobody answers. */
export async function connectNats({ url, credsFile, name }: ConnectOptions): Promise<NatsConnection> {
  const credentials = credsFile === undefined ? undefined : credsAuthenticator(await readFile(credsFile));
  let connection: NatsConnection;
  try {
    connection = await connect({
      servers: url.split(",").map((server) => server.trim()),
      name,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 500,
      reconnectJitter: 250,
      // A cut link is noticed after two missed pings.
      pingInterval: 5_000,
      maxPingOut: 2,
      timeout: 5_000,
      ...(credentials === undefined ? {} : { authenticator: credentials }),
    });
  } catch (cause) {
    throw new Error(`Cannot connect to NATS at ${withoutSecrets(url)}: ${String(cause)}; start it, or set NATS_URL`, {
      cause,
    });
  }
  const found = connection.info?.version ?? "0";
  if (!isOlder(found, OLDEST_SERVER)) return connection;
  await connection.close();
  throw new ServerTooOldError(found, withoutSecrets(url));
}
