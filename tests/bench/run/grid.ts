import type { MusterPublisherVerbs, MusterWorkerVerbs } from "../actors/muster_verbs.ts";
import { type Actor, startActor } from "./actor.ts";
import { type Ground, nodeCommand } from "./contenders.ts";

/** Muster alone on a server of its own, with as many workers as a row needs. */
export interface Grid extends AsyncDisposable {
  /** Of the nats-server. */
  readonly url: string;
  readonly publisher: Actor<MusterPublisherVerbs>;
  readonly workers: readonly [Actor<MusterWorkerVerbs>, ...Actor<MusterWorkerVerbs>[]];
}

/** Opens the grid on the server called `name`, which keeps its streams while the bench runs. */
export async function openGrid(ground: Ground, name: string, workerCount = 1): Promise<Grid> {
  const { url } = await ground.servers.nats(name, ground.durability);
  await using opened = new AsyncDisposableStack();
  const command = (role: string) =>
    nodeCommand(ground, `muster-${name}-${role}`, [`actors/muster_${role.split("-")[0]}.ts`, url]);
  const publisher = opened.use(await startActor<MusterPublisherVerbs>(command("publisher")));
  const first = opened.use(await startActor<MusterWorkerVerbs>(command("worker")));
  const others: Actor<MusterWorkerVerbs>[] = [];
  for (let number = 2; number <= workerCount; number++) {
    others.push(opened.use(await startActor<MusterWorkerVerbs>(command(`worker-${number}`))));
  }
  const kept = opened.move();
  return { url, publisher, workers: [first, ...others], [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
