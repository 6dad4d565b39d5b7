import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Servers } from "./servers.ts";

/** A way to a server on which each byte takes its time. */
interface SlowWay extends AsyncDisposable {
  /** The server's URL by this way. */
  readonly url: string;
}

/** Passes on what comes, each piece after `delayMs`, in order. */
function passOn(from: Socket, to: Socket, delayMs: number): void {
  from.setNoDelay(true);
  from.on("data", (bytes) => setTimeout(() => to.writable && to.write(bytes), delayMs));
  from.on("error", () => to.destroy());
  from.on("close", () => setTimeout(() => to.end(), delayMs));
}

async function openSlowWay(url: string, delayMs: number): Promise<SlowWay> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const server = connect(Number(port), hostname);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    }
    passOn(client, server, delayMs);
    passOn(server, client, delayMs);
  });
  await once(listener.listen(0, hostname), "listening");
  const slow = new URL(url);
  slow.port = String((listener.address() as AddressInfo).port);
  return {
    url: slow.href,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}

/**
 * The same servers, each behind a network of its own: `delayMs` to it and as much back. A timer of Node.js may add up to a millisecond.
 *
 * The servers stay those of `servers`. The network ends with it.
 */
export async function openNetworkServers(servers: Servers, delayMs: number): Promise<Servers> {
  await using opened = new AsyncDisposableStack();
  const kept = opened.move();
  const slow = async (url: string) => kept.use(await openSlowWay(url, delayMs)).url;
  return {
    ...servers,
    async nats(name, durability) {
      const direct = await servers.nats(name, durability);
      return { ...direct, url: await slow(direct.url) };
    },
    database: async (name) => await slow(await servers.database(name)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
