import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** A proxy between a client and a server that records what passes and may lose an answer. */
export interface Proxy extends AsyncDisposable {
  /** The server's URL by way of the proxy. */
  readonly url: string;
  /** The settings with which each connection was opened so far, as `-c name=value -c …`. */
  readonly startups: string[];
  /** The text of each statement that was sent so far. */
  readonly statements: string[];
  /** Number of times so far that a client sent something after it had heard the server: its waits for an answer. */
  readonly roundTrips: number;
  /** Lets the next statement that contains `text` through, and cuts the connection instead of passing on its answer. */
  loseAnswerTo(text: string): void;
}

const QUERY = "Q".charCodeAt(0);
const PARSE = "P".charCodeAt(0);
const BIND = "B".charCodeAt(0);

/**
 * Reads the statements out of what a client sends: a start-up message, then messages of type, length and body. A statement that the server
 * keeps under a name is parsed once, and bound each time that it runs.
 */
function statementReader(startups: string[]): (bytes: Buffer) => string[] {
  let unread = Buffer.alloc(0);
  let started = false;
  const kept = new Map<string, string>();
  return (bytes) => {
    const statements: string[] = [];
    unread = Buffer.concat([unread, bytes]);
    for (;;) {
      const lengthAt = started ? 1 : 0;
      if (unread.length < lengthAt + 4) return statements;
      const end = lengthAt + unread.readInt32BE(lengthAt);
      if (unread.length < end) return statements;
      const body = unread.subarray(lengthAt + 4, end).toString();
      if (!started) startups.push(/options\0([^\0]*)/.exec(body)?.[1] ?? "");
      const [first = "", second = ""] = body.split("\0");
      if (started && unread[0] === QUERY) statements.push(first);
      if (started && unread[0] === PARSE) kept.set(first, second);
      // It names its portal first, and then the statement, which has an empty name where it is not kept.
      if (started && unread[0] === BIND) statements.push(kept.get(second) ?? "");
      unread = unread.subarray(end);
      started = true;
    }
  };
}

/** Starts a proxy before the server of a URL. `answersLateMs`: how long it holds each answer back. */
export async function startProxy(url: string, { answersLateMs = 0 } = {}): Promise<Proxy> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const statements: string[] = [];
  const startups: string[] = [];
  let lost: string | undefined;
  let roundTrips = 0;

  function join(client: Socket): void {
    const server = connect(Number(port), hostname);
    const read = statementReader(startups);
    let cut = false;
    let hasHeard = true;
    client.on("data", (bytes) => {
      if (hasHeard) roundTrips++;
      hasHeard = false;
      for (const statement of read(typeof bytes === "string" ? Buffer.from(bytes) : bytes)) {
        statements.push(statement);
        if (lost !== undefined && statement.includes(lost)) {
          cut = true;
          lost = undefined;
        }
      }
      server.write(bytes);
    });
    const pass = (bytes: string | Buffer) => {
      hasHeard = true;
      client.write(bytes);
    };
    server.on("data", (bytes) => {
      if (cut) client.destroy();
      else if (answersLateMs > 0) setTimeout(pass, answersLateMs, bytes);
      else pass(bytes);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy()); // the other side sees it as a cut
      one.on("close", () => {
        sockets.delete(one);
        other.end();
      });
    }
  }

  const listener = createServer(join).listen(0, hostname);
  await once(listener, "listening");
  const proxied = new URL(url);
  proxied.port = String((listener.address() as AddressInfo).port);
  return {
    url: proxied.href,
    startups,
    statements,
    get roundTrips() {
      return roundTrips;
    },
    loseAnswerTo(text) {
      lost = text;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}
