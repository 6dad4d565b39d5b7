// Tested by tests/src/access/login_test.ts
// Tested by tests/src/worker/broker_loss_test.ts
import { type ConnectionOptions, createInbox, type NatsConnection, wsconnect } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { readLogin } from "../access/login.ts";
import { type NatsAccess, NatsAccessError, withoutSecrets } from "../access/nats_access.ts";
import { readServers } from "../access/servers.ts";
import { readTls } from "../access/tls.ts";
import { explain, type Reached } from "./why_unreachable.ts";
import { nameForbidden } from "./forbidden.ts";

/** The oldest nats-server with all that Muster uses: its streams, message TTLs, schedules and atomic batches. */
export const OLDEST_SERVER = "2.12.0";

/** The server is too old. Older servers ignore a lock's TTL silently, so nothing may run on them. */
export class ServerTooOldError extends Error {
  override readonly name = "ServerTooOldError";
  readonly found: string;
  constructor(found: string, url: string) {
    super(`Cannot use nats-server ${found} at ${url}: version ${OLDEST_SERVER} or newer is needed; upgrade the server`);
    this.found = found;
  }
}

export interface ConnectOptions extends NatsAccess {
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

interface Prepared extends Reached {
  readonly options: ConnectionOptions;
}

/** Reads everything that `access` names. Throws {@linkcode NatsAccessError}. */
function prepare(access: NatsAccess, name: string): Prepared {
  const servers = readServers(access);
  const login = readLogin(access, servers.login);
  const tls = readTls(access, servers);
  const { inboxPrefix } = access;
  if (inboxPrefix !== undefined && !/^[^\s.*>]+(\.[^\s.*>]+)*$/.test(inboxPrefix)) {
    throw new NatsAccessError(access, "inboxPrefix", "a subject without wildcards, as _INBOX_me");
  }
  const options: ConnectionOptions = {
    servers: [...servers.servers],
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    reconnectJitter: 250,
    // A cut link is noticed after two missed pings.
    pingInterval: 5_000,
    maxPingOut: 2,
    timeout: 5_000,
    ...(login.authenticators.length === 0 ? {} : { authenticator: login.authenticators }),
    ...(tls === undefined ? {} : { tls }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
  };
  return { access, servers, login, options };
}

/**
 * Checks the settings of `access`: its URL, its files, and whether they fit together. Asks no server.
 *
 * Throws {@linkcode NatsAccessError}, with the setting's name.
 */
export function checkNatsAccess(access: NatsAccess): void {
  prepare(access, "check");
}

/**
 * Number of open connections of this thread by transport. Only `dial` reads and writes it.
 *
 * The client has one transport for all connections, and a reconnect would use the one that was dialled last.
 */
const open = { tcp: 0, websocket: 0 };

function dial({ servers: { transport }, access, options }: Prepared): Promise<NatsConnection> {
  if (open[transport === "tcp" ? "websocket" : "tcp"] > 0) {
    throw new NatsAccessError(
      access,
      "url",
      "a server over the transport of the connections that are open here (WebSocket or not)",
    );
  }
  open[transport]++;
  return (transport === "tcp" ? connect(options) : wsconnect(options)).then(
    (connection) => {
      void connection.closed().finally(() => open[transport]--);
      return connection;
    },
    (cause: unknown) => {
      open[transport]--;
      throw cause;
    },
  );
}

/** The inbox prefix of each connection. {@linkcode connectNats} writes it, {@linkcode newInbox} reads it. */
const prefixes = new WeakMap<NatsConnection, string>();

/** Returns a new subject for answers, under the prefix that this connection's user may listen on. */
export function newInbox(nc: NatsConnection): string {
  return createInbox(prefixes.get(nc));
}

/**
 * Connects, and from then on reconnects without end.
 *
 * Throws {@linkcode NatsAccessError} where settings or files must change, and {@linkcode ServerTooOldError}. Other errors name the URL and
 * what is wrong there: nobody answers, the login is refused, or the certificate is not trusted.
 */
export async function connectNats({ name, ...access }: ConnectOptions): Promise<NatsConnection> {
  const prepared = prepare(access, name);
  const shownUrl = withoutSecrets(access.url);
  let connection: NatsConnection;
  try {
    connection = await dial(prepared);
  } catch (cause) {
    if (cause instanceof NatsAccessError) throw cause;
    throw new Error(`Cannot connect to NATS at ${shownUrl}: ${await explain(prepared, cause)}`, { cause });
  }
  if (access.inboxPrefix !== undefined) prefixes.set(connection, access.inboxPrefix);
  nameForbidden(connection, prepared.login.who);
  const found = connection.info?.version ?? "0";
  if (!isOlder(found, OLDEST_SERVER)) return connection;
  await connection.close();
  throw new ServerTooOldError(found, shownUrl);
}
