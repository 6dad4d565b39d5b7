import { join } from "node:path";
import type { PublisherVerbs, WorkerVerbs } from "../actors/verbs.ts";
import { BENCH } from "../servers/places.ts";
import { installDiracx, installPeers } from "../servers/peers.ts";
import type { Durability, Servers } from "../servers/servers.ts";
import { type Actor, type ActorCommand, startActor } from "./actor.ts";

export type ContenderName =
  | "muster"
  | "raw"
  | "bullmq"
  | "bullmq-queues"
  | "graphile"
  | "graphile-local"
  | "pg-boss"
  | "diracx";

/** A measured task system: its publishing process, its working process, and their server. */
export interface Contender extends AsyncDisposable {
  readonly name: ContenderName;
  readonly publisher: Actor<PublisherVerbs>;
  readonly worker: Actor<WorkerVerbs>;
}

/** Commands that start the two processes of a contender. */
interface Commands {
  readonly publisher: ActorCommand;
  readonly worker: ActorCommand;
}

/** What contenders need to start. */
export interface Ground {
  readonly servers: Servers;
  readonly durability: Durability;
  /** Returns flags for the Node.js of a process, e.g. so that it writes a profile. */
  flags(process: string): readonly string[];
  /** Called with what takes time. */
  progress(line: string): void;
}

/** The flags of the apps. */
export const APP_FLAGS = [
  "--max-semi-space-size=8",
  "--no-allocation-site-pretenuring",
  "--initial-old-space-size=32",
  "--heap-growing-percent=50",
];
const MUSTERS_WORKER = /actors\/(muster|pilot)_worker/;

/** Returns the command that runs one of our scripts with this Node.js. */
export function nodeCommand(
  ground: Pick<Ground, "flags">,
  name: string,
  scriptAndArgs: readonly string[],
): ActorCommand {
  const [script = "", ...args] = scriptAndArgs;
  const flags = [...(MUSTERS_WORKER.test(script) ? APP_FLAGS : []), ...ground.flags(name)];
  return { name, command: process.execPath, args: [...flags, join(BENCH, script), ...args] };
}

async function commandsOf(name: ContenderName, ground: Ground): Promise<Commands> {
  const { servers, durability, progress } = ground;
  const pair = (prefix: string, args: readonly string[], ofWorker: readonly string[] = []): Commands => ({
    publisher: nodeCommand(ground, `${name}-publisher`, [`${prefix}_publisher.ts`, ...args]),
    worker: nodeCommand(ground, `${name}-worker`, [`${prefix}_worker.ts`, ...args, ...ofWorker]),
  });
  switch (name) {
    case "muster":
    case "raw": {
      const { url, copies } = await servers.nats(name, durability);
      return pair(`actors/${name}`, [url, String(copies)]);
    }
    case "bullmq":
    case "bullmq-queues": {
      await installPeers(progress);
      const { host, port } = await servers.redis(durability);
      return pair(name === "bullmq" ? "peers/bullmq" : "peers/bullmq_queues", [host, String(port)]);
    }
    case "graphile":
    case "graphile-local":
      await installPeers(progress);
      return pair("peers/graphile", [await servers.database("graphile")], [name === "graphile" ? "default" : "local"]);
    case "pg-boss":
      await installPeers(progress);
      return pair("peers/pg_boss", [await servers.database("pg_boss")]);
    case "diracx": {
      const command = await installDiracx(progress);
      const { host, port } = await servers.redis(durability);
      const script = join(BENCH, "peers", "diracx_peer.py");
      const role = (what: string): ActorCommand => ({
        name: `diracx-${what}`,
        command,
        args: [script, what, `redis://${host}:${port}/1`],
      });
      return { publisher: role("publisher"), worker: role("worker") };
    }
  }
}

/** Starts a contender with its server. Throws the reason where that is not possible. */
export async function openContender(name: ContenderName, ground: Ground): Promise<Contender> {
  const commands = await commandsOf(name, ground);
  await using opened = new AsyncDisposableStack();
  const publisher = opened.use(await startActor<PublisherVerbs>(commands.publisher));
  const worker = opened.use(await startActor<WorkerVerbs>(commands.worker));
  const kept = opened.move();
  return { name, publisher, worker, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
