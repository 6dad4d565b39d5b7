import { startTestCluster, type TestCluster } from "../../src/support/cluster.ts";
import type { Servers } from "./servers.ts";

/** The same servers with three nats-servers, as one cluster, in place of each single one. They end with it. */
export async function openClusterServers(servers: Servers): Promise<Servers> {
  await using opened = new AsyncDisposableStack();
  const clusters = new Map<string, Promise<TestCluster>>();
  const kept = opened.move();
  return {
    ...servers,
    async nats(name, durability) {
      const key = `${name}-${durability}`;
      const found =
        clusters.get(key) ?? startTestCluster({ sync: durability === "synced" }).then((each) => kept.use(each));
      clusters.set(key, found);
      return { url: (await found).url, copies: 3 };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
