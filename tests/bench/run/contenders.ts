import { join } from "node:path";
import type { PublisherVerbs, WorkerVerbs } from "../actors/verbs.ts";
import { BENCH } from "../servers/places.ts";
import type { Durability, Servers } from "../servers/servers.ts";
import { type Actor, startActor } from "./actor.ts";

export type ContenderName = "muster" | "raw" | "bullmq" | "graphile" | "graphile-local" | "pg-boss" | "diracx";

/** A task system under measurement: its publishing process, its working process, and their server. */
export interface Contender extends AsyncDisposable {
  readonly name: ContenderName;
  readonly publisher: Actor<PublisherVerbs>;
  readonly worker: Actor<WorkerVerbs>;
}

/** The scripts of a contender, and what they are started with. */
interface Scripts {
  readonly publisher: string;
  readonly worker: string;
  readonly args: readonly string[];
  readonly workerArgs?: readonly string[];
}

async function scriptsOf(name: ContenderName, servers: Servers, durability: Durability): Promise<Scripts> {
  switch (name) {
    case "muster":
    case "raw": {
      const { url } = await servers.nats(name, durability);
      return { publisher: `actors/${name}_publisher.ts`, worker: `actors/${name}_worker.ts`, args: [url] };
    }
    case "bullmq": {
      const { host, port } = await servers.redis(durability);
      const args = [host, String(port)];
      return { publisher: "peers/bullmq_publisher.ts", worker: "peers/bullmq_worker.ts", args };
    }
    case "graphile":
    case "graphile-local": {
      const args = [await servers.database("graphile")];
      const workerArgs = [name === "graphile" ? "default" : "local"];
      return { publisher: "peers/graphile_publisher.ts", worker: "peers/graphile_worker.ts", args, workerArgs };
    }
    case "pg-boss": {
      const args = [await servers.database("pg_boss")];
      return { publisher: "peers/pg_boss_publisher.ts", worker: "peers/pg_boss_worker.ts", args };
    }
    case "diracx":
      throw new Error("not built yet");
  }
}

/** How Node.js is started for a working process, e.g. to write a profile. */
export type NodeFlags = (process: string) => readonly string[];

/** Starts a contender with its server. Throws why it cannot be had. */
export async function openContender(
  name: ContenderName,
  { servers, durability, flags }: { servers: Servers; durability: Durability; flags: NodeFlags },
): Promise<Contender> {
  const scripts = await scriptsOf(name, servers, durability);
  await using opened = new AsyncDisposableStack();
  async function start<Verbs>(script: string, args: readonly string[]): Promise<Actor<Verbs>> {
    const what = `${name}-${script.includes("worker") ? "worker" : "publisher"}`;
    const all = [...flags(what), join(BENCH, script), ...args];
    return opened.use(await startActor<Verbs>({ name: what, command: process.execPath, args: all }));
  }
  const publisher = await start<PublisherVerbs>(scripts.publisher, scripts.args);
  const worker = await start<WorkerVerbs>(scripts.worker, [...scripts.args, ...(scripts.workerArgs ?? [])]);
  const kept = opened.move();
  return { name, publisher, worker, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
