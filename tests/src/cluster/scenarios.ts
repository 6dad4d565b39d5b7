import type { TestCluster, TestNode } from "../support/cluster.ts";
import { until } from "../support/until.ts";
import { KINDS } from "./count_task.ts";
import type { Checks, Load } from "./load.ts";

/** What a scenario works on. */
export interface Ground {
  readonly cluster: TestCluster;
  readonly load: Load;
  readonly t: Pick<Checks, "log">;
}

const inSeconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

/** Waits until tasks of each kind run again, and logs how long each took. */
async function goesOn({ load, t }: Ground, after: string): Promise<void> {
  const gaps = await Promise.all(KINDS.map(async (kind) => `${kind} ${inSeconds(await load.goesOn(kind))}`));
  t.log(`${after}: ${gaps.join(", ")}`);
}

async function startAgain({ cluster }: Ground, nodes: readonly TestNode[]): Promise<void> {
  for (const node of nodes) await node.start();
  await cluster.ready();
  await cluster.whole();
}

/** Kills the leader of a stream. Work goes on without it; then it is started again. */
export async function killLeader(ground: Ground, stream: string): Promise<void> {
  const node = await ground.cluster.leaderOf(stream);
  await node.kill();
  await goesOn(ground, `leader of ${stream} killed`);
  await startAgain(ground, [node]);
}

/** Kills a server that does not lead TASKS. */
export async function killFollower(ground: Ground): Promise<void> {
  const node = await ground.cluster.followerOf("TASKS");
  await node.kill();
  await goesOn(ground, "follower killed");
  await startAgain(ground, [node]);
}

/** Kills two servers at once. Without a quorum nothing goes on, and workers say so. With the second server it does. */
export async function loseTwo(ground: Ground): Promise<void> {
  const { cluster, load, t } = ground;
  const [leader, follower] = [await cluster.leaderOf("TASKS"), await cluster.followerOf("TASKS")];
  const killedAtMs = performance.now();
  await Promise.all([leader.kill(), follower.kill()]);
  const told = async () => load.brokers.every(({ storage }) => storage.problems().length > 0) || undefined;
  await until(told, "the word of all that nothing can be stored");
  t.log(`told of no quorum after ${inSeconds(performance.now() - killedAtMs)}`);
  await follower.start();
  await cluster.led();
  await goesOn(ground, "two lost, and one is back");
  const isWell = async () => load.brokers.every(({ storage }) => storage.problems().length === 0) || undefined;
  await until(isWell, "the word of all that all is well");
  await startAgain(ground, [leader]);
}

/** Restarts one server after the other. Each time waits until work goes on without it, and all copies are whole. */
export async function restartInTurn(ground: Ground): Promise<void> {
  for (const node of ground.cluster.nodes) {
    await node.stop();
    await goesOn(ground, `${node.name} stopped`);
    await startAgain(ground, [node]);
  }
}

/** Restarts one server after the other, and waits for nothing in between. */
export async function restartFast(ground: Ground): Promise<void> {
  for (const node of ground.cluster.nodes) {
    await node.stop();
    await node.start();
  }
  await ground.cluster.led();
  await goesOn(ground, "all restarted fast after each other");
  await ground.cluster.whole();
}

/** Kills all servers at once, and starts them again. */
export async function killAll(ground: Ground): Promise<void> {
  await ground.cluster.kill();
  await ground.cluster.start();
  await goesOn(ground, "all killed and started");
  await ground.cluster.whole();
}
