import type { MusterPublisherVerbs, MusterWorkerVerbs } from "../actors/muster_verbs.ts";
import { type Actor, startActor } from "./actor.ts";
import { type Ground, nodeCommand } from "./contenders.ts";

/** Muster alone on its own server, with as many workers as a row needs. */
export interface Grid extends AsyncDisposable {
  /** URL of the nats-server. */
  readonly url: string;
  readonly publisher: Actor<MusterPublisherVerbs>;
  readonly workers: readonly [Actor<MusterWorkerVerbs>, ...Actor<MusterWorkerVerbs>[]];
  /** Starts one more worker, which ends with the grid at the latest. */
  join(): Promise<Actor<MusterWorkerVerbs>>;
}

export interface GridOptions {
  /** Default 1. */
  readonly workerCount?: number;
  /** Whether processes run from source (default), or from their build. */
  readonly form?: "source" | "built";
}

/** Opens the grid on the server called `name`. The server keeps its streams while the bench runs. */
export async function openGrid(ground: Ground, name: string, options: GridOptions = {}): Promise<Grid> {
  const { workerCount = 1, form = "source" } = options;
  const { url } = await ground.servers.nats(name, ground.durability);
  await using opened = new AsyncDisposableStack();
  const command = (role: "publisher" | "worker", suffix = "") => {
    const script = form === "source" ? `actors/muster_${role}.ts` : `dist/actors/muster_${role}.js`;
    return nodeCommand(ground, `muster-${name}-${role}${suffix}`, [script, url]);
  };
  const publisher = opened.use(await startActor<MusterPublisherVerbs>(command("publisher")));
  const first = opened.use(await startActor<MusterWorkerVerbs>(command("worker")));
  const others: Actor<MusterWorkerVerbs>[] = [];
  for (let number = 2; number <= workerCount; number++) {
    others.push(opened.use(await startActor<MusterWorkerVerbs>(command("worker", `-${number}`))));
  }
  const kept = opened.move();
  let joined = workerCount;
  return {
    url,
    publisher,
    workers: [first, ...others],
    join: async () => kept.use(await startActor<MusterWorkerVerbs>(command("worker", `-${++joined}`))),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
