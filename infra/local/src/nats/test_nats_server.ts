import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NatsServer, type NatsServerOptions, startNatsServer } from "./nats_server.ts";

/**
 * Starts a nats-server for tests, in a folder that is deleted when the server is disposed of. By default it writes to the disk lazily.
 *
 * Throws the errors of {@linkcode startNatsServer}.
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
