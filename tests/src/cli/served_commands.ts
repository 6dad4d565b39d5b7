import { startTestServer } from "@muster/logic/testing";
import { createTestDatabase } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

/** Servers with one VO, `lhcb`, and commands that are run on them. */
export async function startServedCommands() {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await startTestServer());
  const database = opened.use(await createTestDatabase(server));
  const muster = opened.use(await startMuster({ vos: ["lhcb"] }));
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: database.url });
  const kept = opened.move();
  return { muster, database, cli, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
