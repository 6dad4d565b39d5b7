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
  /**
   * Lets the next statement that contains `text` through, and cuts the connection once the server has answered it. Nothing is passed on from
   * the statement on. So what the statement does is done when the client misses its answer.
   */
  loseAnswerTo(text: string): void;
}

const QUERY = "Q".charCodeAt(0);
const PARSE = "P".charCodeAt(0);
const BIND = "B".charCodeAt(0);
const SYNC = "S".charCodeAt(0);
const READY = "Z".charCodeAt(0);

/** One message: the letter of its type, or undefined for the first one of a client, and what follows its length. */
interface Message {
  readonly type: number | undefined;
  readonly body: Buffer;
}

/** Cuts what a side sends into messages of type, length and body. A client's first message has no type. */
function messageReader(side: "client" | "server"): (bytes: string | Buffer) => Message[] {
  let unread = Buffer.alloc(0);
  let isTyped = side === "server";
  return (bytes) => {
    const messages: Message[] = [];
    unread = Buffer.concat([unread, typeof bytes === "string" ? Buffer.from(bytes) : bytes]);
    for (;;) {
      const lengthAt = isTyped ? 1 : 0;
      if (unread.length < lengthAt + 4) return messages;
      const end = lengthAt + unread.readInt32BE(lengthAt);
      if (unread.length < end) return messages;
      messages.push({ type: isTyped ? unread[0] : undefined, body: unread.subarray(lengthAt + 4, end) });
      unread = unread.subarray(end);
      isTyped = true;
    }
  };
}

/**
 * Returns the text of the statement that a client's message runs, if it runs one. A statement that the server keeps under a name is parsed
 * once, and bound each time that it runs.
 */
function statementReader(): (message: Message) => string | undefined {
  const kept = new Map<string, string>();
  return ({ type, body }) => {
    const [first = "", second = ""] = body.toString().split("\0");
    if (type === QUERY) return first;
    if (type === PARSE) kept.set(first, second);
    // It names its portal first, and then the statement, which has an empty name where it is not kept.
    return type === BIND ? (kept.get(second) ?? "") : undefined;
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
    const [asked, answered, statementIn] = [messageReader("client"), messageReader("server"), statementReader()];
    // The server says that it is ready at the end of the start, of each query and at each sync. A statement that is bound is answered by then.
    let readiesAsked = 1;
    let readies = 0;
    let cutAtReady: number | undefined;
    let hasHeard = true;
    client.on("data", (bytes) => {
      if (hasHeard) roundTrips++;
      hasHeard = false;
      for (const message of asked(bytes)) {
        if (message.type === undefined) startups.push(/options\0([^\0]*)/.exec(message.body.toString())?.[1] ?? "");
        if (message.type === QUERY || message.type === SYNC) readiesAsked++;
        const statement = statementIn(message);
        if (statement === undefined) continue;
        statements.push(statement);
        if (lost === undefined || !statement.includes(lost)) continue;
        cutAtReady = message.type === QUERY ? readiesAsked : readiesAsked + 1;
        lost = undefined;
      }
      server.write(bytes);
    });
    const pass = (bytes: string | Buffer) => {
      hasHeard = true;
      client.write(bytes);
    };
    server.on("data", (bytes) => {
      readies += answered(bytes).filter(({ type }) => type === READY).length;
      if (cutAtReady !== undefined) {
        if (readies >= cutAtReady) client.destroy();
      } else if (answersLateMs > 0) setTimeout(pass, answersLateMs, bytes);
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
