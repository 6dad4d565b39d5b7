import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NatsServer, type NatsServerOptions, startNatsServer } from "./nats_server.ts";

/**
 * Starts a nats-server for tests, in a folder that goes with it when it is disposed of. It writes to the disk lazily unless it is told
 * otherwise. Throws what {@linkcode startNatsServer} throws.
 */
export async function startTestNatsServer(options: Omit<NatsServerOptions, "dataDir"> = {}): Promise<NatsServer> {
  const dataDir = await mkdtemp(join(tmpdir(), "muster-nats-"));
  const server = await startNatsServer({ syncInterval: "lazy", ...options, dataDir });
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
