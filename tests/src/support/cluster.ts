import { findFreePort, provisionNatsServer, type ServerProcess, startServerProcess } from "@muster/local";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestServers } from "./nats.ts";
import { until } from "./until.ts";

const LOOPBACK = "127.0.0.1";
const STOP_GRACE_MS = 5_000;

/** One nats-server of a test's cluster. It has the same ports and streams after each new start. */
export interface TestNode {
  readonly name: string;
  readonly url: string;
  /** Kills the server. It cannot close its connections in order. */
  kill(): Promise<void>;
  /** Shuts the server down in order. */
  stop(): Promise<void>;
  /** Starts the server again. Resolves before it has found the others: see `TestCluster.ready`. */
  start(): Promise<void>;
}

/**
 * Several nats-servers as one cluster, on loopback. Disposing of it ends them and deletes their folders.
 *
 * `url` names all nodes. `kill` and `stop` end all at once, and `start` starts all and waits until they are `ready`.
 */
export interface TestCluster extends TestServers {
  readonly nodes: readonly TestNode[];
  /** Resolves when each node reports that JetStream and each stream have a leader. After a start of all that takes some seconds. */
  ready(): Promise<void>;
  /** Resolves when JetStream and each stream have a leader, whatever nodes run. */
  led(): Promise<void>;
  /** The node that leads a stream. Waits until one does. */
  leaderOf(stream: string): Promise<TestNode>;
  /** A node that holds a copy of a stream and does not lead it. */
  followerOf(stream: string): Promise<TestNode>;
  /** Resolves when each stream has all its copies up to date. After a node's start that takes some seconds. */
  whole(): Promise<void>;
}

export interface ClusterOptions {
  /** Default 3. */
  readonly size?: number;
  /** With `true` the nodes keep acknowledged data over a loss of power, and are slower. */
  readonly sync?: boolean;
}

interface NodeParts {
  readonly name: string;
  readonly port: number;
  readonly clusterPort: number;
  readonly routePorts: readonly number[];
  readonly dataDir: string;
  readonly sync: boolean;
}

function configOf({ name, port, clusterPort, routePorts, dataDir, sync }: NodeParts): string {
  const quotedDir = JSON.stringify(dataDir);
  const routes = routePorts.map((each) => `"nats://${LOOPBACK}:${each}"`).join(", ");
  return `server_name: "${name}"
listen: "${LOOPBACK}:${port}"
jetstream { store_dir: ${quotedDir}, sync_interval: ${sync ? "always" : '"2m"'} }
cluster { name: "test", listen: "${LOOPBACK}:${clusterPort}", routes: [${routes}] }
`;
}

function createNode(parts: NodeParts, binary: string): TestNode {
  const { name, port, dataDir } = parts;
  let running: ServerProcess | undefined;
  return {
    name,
    url: `nats://${LOOPBACK}:${port}`,
    async start() {
      await mkdir(dataDir, { recursive: true });
      const file = join(dataDir, "nats-server.conf");
      await writeFile(file, configOf(parts));
      running = await startServerProcess({
        command: binary,
        args: ["-c", file],
        dataDir,
        logFile: join(dataDir, "nats-server.log"),
        stopSignal: "SIGTERM",
      });
    },
    async kill() {
      running?.kill("SIGKILL");
      await running?.exited;
    },
    async stop() {
      await running?.stop(STOP_GRACE_MS);
    },
  };
}

/** Whether JetStream and each of its streams answer at `url`. Then all have a leader. */
async function answers(url: string): Promise<true | undefined> {
  return await ask(url, async (jsm) => {
    for await (const stream of jsm.streams.names()) {
      // A server that holds a copy answers also where there is no leader.
      if (!(await jsm.streams.info(stream)).cluster?.leader) return undefined;
    }
    return true as const;
  });
}

/** Asks the JetStream of whichever node answers; undefined: none does now. */
async function ask<Answer>(url: string, work: (jsm: JetStreamManager) => Promise<Answer>): Promise<Answer | undefined> {
  try {
    const nc = await connect({ servers: url.split(","), reconnect: false, timeout: 1_000 });
    try {
      return await work(await jetstreamManager(nc, { checkAPI: false, timeout: 1_000 }));
    } finally {
      await nc.close();
    }
  } catch {
    return undefined; // no leader yet
  }
}

/** Whether all copies of all streams are up to date. */
export async function areWhole(jsm: JetStreamManager): Promise<true | undefined> {
  for await (const name of jsm.streams.names()) {
    const { cluster, config } = await jsm.streams.info(name);
    const others = cluster?.replicas ?? [];
    if (others.length < config.num_replicas - 1 || others.some(({ current }) => !current)) return undefined;
  }
  return true;
}

/** Starts a cluster, three nodes by default, in two or three seconds. */
export async function startTestCluster({ size = 3, sync = false }: ClusterOptions = {}): Promise<TestCluster> {
  const binary = await provisionNatsServer(() => {});
  const folder = await mkdtemp(join(tmpdir(), "muster-cluster-"));
  const ports = await Promise.all(Array.from({ length: 2 * size }, findFreePort));
  const routePorts = ports.slice(size);
  const nodes = Array.from({ length: size }, (_, index) => {
    const name = `node-${index + 1}`;
    const [port = 0, clusterPort = 0] = [ports[index], routePorts[index]];
    return createNode({ name, port, clusterPort, routePorts, dataDir: join(folder, name), sync }, binary);
  });
  const url = nodes.map((node) => node.url).join(",");
  const ready = async () => {
    await Promise.all(nodes.map((node) => until(() => answers(node.url), `an answer of ${node.name}`)));
  };
  const leaderName = (stream: string) =>
    until(() => ask(url, async (jsm) => (await jsm.streams.info(stream)).cluster?.leader), `a leader of ${stream}`);
  const nodeWhere = (serves: (node: TestNode) => boolean) => {
    const node = nodes.find(serves);
    if (node === undefined) throw new Error("Cannot find such a node: the cluster has none");
    return node;
  };
  const each = (act: (node: TestNode) => Promise<void>) => Promise.all(nodes.map(act));
  const cluster: TestCluster = {
    url,
    nodes,
    ready,
    async led() {
      await until(() => answers(url), "a leader of each stream");
    },
    async leaderOf(stream) {
      const name = await leaderName(stream);
      return nodeWhere((node) => node.name === name);
    },
    async followerOf(stream) {
      const name = await leaderName(stream);
      return nodeWhere((node) => node.name !== name);
    },
    async whole() {
      await until(() => ask(url, areWhole), "all copies of all streams");
    },
    async kill() {
      await each((node) => node.kill());
    },
    async stop() {
      await each((node) => node.stop());
    },
    async start() {
      await each((node) => node.start());
      await ready();
    },
    async [Symbol.asyncDispose]() {
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await cluster.start();
    return cluster;
  } catch (cause) {
    await cluster[Symbol.asyncDispose]();
    throw cause;
  }
}
