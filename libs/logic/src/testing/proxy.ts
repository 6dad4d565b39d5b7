import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** Stands between a client and a server, to lose what passes. */
export interface Proxy extends AsyncDisposable {
  /** The server's URL by way of the proxy. */
  readonly url: string;
  /** Lets the next statement with `text` in it through, and cuts the connection in place of its answer. */
  loseAnswerTo(text: string): void;
}

/** Starts a proxy before the server of a URL. */
export async function startProxy(url: string): Promise<Proxy> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let lost: string | undefined;

  function join(client: Socket): void {
    const server = connect(Number(port), hostname);
    let cut = false;
    client.on("data", (bytes) => {
      if (lost !== undefined && bytes.includes(lost)) {
        cut = true;
        lost = undefined;
      }
      server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (cut) client.destroy();
      else client.write(bytes);
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
