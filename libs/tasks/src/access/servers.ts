// Tested by tests/src/access/tls_test.ts
// Tested by tests/src/access/websocket_test.ts
import { type NatsAccess, NatsAccessError } from "./nats_access.ts";

/** The login in a URL, or in the settings beside it. A password without a user is not possible. */
export interface UrlLogin {
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
}

/** The servers of a URL, and what it says about them. */
export interface NatsServers {
  /** Without credentials: `host:port` over TCP, a URL over a WebSocket. */
  readonly servers: readonly string[];
  readonly transport: "tcp" | "websocket";
  /** Whether any of them asks for TLS. Then all must use it. */
  readonly isTls: boolean;
  /** Undefined where the URL holds no login. */
  readonly login: UrlLogin | undefined;
}

const TRANSPORTS: Readonly<Record<string, NatsServers["transport"]>> = {
  "nats:": "tcp",
  "tls:": "tcp",
  "ws:": "websocket",
  "wss:": "websocket",
};
const ENCRYPTED: ReadonlySet<string> = new Set(["tls:", "wss:"]);
const DEFAULT_PORT = "4222";
const SHAPE = "nats://host:port, tls://host:port, ws://host:port or wss://host:port, or several with commas between";

interface Server {
  readonly address: string;
  readonly protocol: string;
  readonly login: UrlLogin | undefined;
}

function decode(access: NatsAccess, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new NatsAccessError(
      access,
      "url",
      "a URL whose user and password are percent-encoded: a % stands for no byte",
    );
  }
}

function loginOf(access: NatsAccess, text: string, { username, password }: URL): UrlLogin | undefined {
  const credentials = /^[a-z]+:\/\/([^/?#]*)@/i.exec(text)?.[1];
  if (credentials === undefined) return undefined;
  const user = decode(access, username);
  // A text alone is a token, as for every NATS client.
  return credentials.includes(":") ? { user, password: decode(access, password) } : { token: user };
}

function readServer(access: NatsAccess, given: string): Server {
  // A bare host with a port is accepted by the nats command too.
  const text = given.includes("://") ? given : `nats://${given}`;
  const url = URL.parse(text);
  if (url === null || url.hostname === "" || TRANSPORTS[url.protocol] === undefined) {
    throw new NatsAccessError(access, "url", SHAPE);
  }
  const { protocol, hostname, host, pathname, search } = url;
  const isTcp = TRANSPORTS[protocol] === "tcp";
  const address = isTcp
    ? `${hostname}:${url.port === "" ? DEFAULT_PORT : url.port}`
    : `${protocol}//${host}${pathname}${search}`;
  return { address, protocol, login: loginOf(access, text, url) };
}

/** Reads the servers of `access.url`. Throws {@linkcode NatsAccessError}, which shows no credentials. */
export function readServers(access: NatsAccess): NatsServers {
  const servers = access.url
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map((text) => readServer(access, text));
  const transports = new Set(servers.map(({ protocol }) => TRANSPORTS[protocol]));
  const [transport] = transports;
  if (transport === undefined) throw new NatsAccessError(access, "url", SHAPE);
  if (transports.size > 1) {
    throw new NatsAccessError(
      access,
      "url",
      "ws:// and wss:// servers alone, or none of them: one connection uses one transport",
    );
  }
  const protocols = new Set(servers.map(({ protocol }) => protocol));
  if (transport === "websocket" && protocols.size > 1) {
    throw new NatsAccessError(
      access,
      "url",
      "either ws:// or wss:// for all servers: what is asked for over TLS never goes in the clear",
    );
  }
  const logins = servers.flatMap(({ login }) => (login === undefined ? [] : [login]));
  if (new Set(logins.map((login) => JSON.stringify(login))).size > 1) {
    throw new NatsAccessError(
      access,
      "url",
      "the same credentials for all servers, or credentials at one of them: it holds different ones",
    );
  }
  return {
    servers: servers.map(({ address }) => address),
    transport,
    isTls: servers.some(({ protocol }) => ENCRYPTED.has(protocol)),
    login: logins[0],
  };
}
