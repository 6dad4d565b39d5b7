import { type NatsServer, startNatsServer } from "@muster/local";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A nats-server in a folder of its own; both go when it is disposed of. */
export interface TestNats extends AsyncDisposable {
  readonly url: string;
  /** Kills the server, so that it has no time to say goodbye. It is back on its port with its streams after `start`. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Starts a nats-server for one test, about 40 ms. With `sync` it keeps what it acknowledged over a loss of power, and is slower. */
export async function startTestNats({ sync = false }: { readonly sync?: boolean } = {}): Promise<TestNats> {
  const dataDir = await mkdtemp(join(tmpdir(), "muster-nats-"));
  const syncInterval = sync ? "always" : "lazy";
  let server: NatsServer = await startNatsServer({ dataDir, syncInterval });
  const { url, port } = server;
  return {
    url,
    async kill() {
      server.kill("SIGKILL");
      await server.exited;
    },
    async start() {
      server = await startNatsServer({ dataDir, port, syncInterval });
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
