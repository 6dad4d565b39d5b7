import { createDatabase, type NatsServer, type Postgres, startNatsServer, startPostgres } from "@muster/local";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { treeCpuMs } from "./process_figures.ts";
import { type Redis, startRedis } from "./redis.ts";

/** Whether acknowledged data is on the disk (`synced`), or may still be only in memory (`lazy`). */
export type Durability = "lazy" | "synced";

/** One nats-server or several, to connect to. */
export interface BenchNats {
  /** One URL, or several with commas between. */
  readonly url: string;
  /** Copies that each stream has. */
  readonly copies: number;
}

/** The servers of one run. Each starts at its first use. Their folders are deleted with the run. */
export interface Servers extends AsyncDisposable {
  /** Returns the nats-server of this name. */
  nats(name: string, durability: Durability): Promise<BenchNats>;
  redis(durability: Durability): Promise<Redis>;
  /** Creates a database on a PostgreSQL with default settings: each commit is on the disk. */
  database(name: string): Promise<string>;
  /** CPU time that all nats-servers and PostgreSQL have used so far, ms. */
  cpuMs(): Promise<{ readonly nats: number; readonly postgres: number }>;
}

function once<Value>(known: Map<string, Promise<Value>>, key: string, start: () => Promise<Value>): Promise<Value> {
  const found = known.get(key) ?? start();
  known.set(key, found);
  return found;
}

async function sumOfCpuMs(started: Iterable<Promise<{ readonly pid: number }>>): Promise<number> {
  const running = await Promise.all(started);
  const each = await Promise.all(running.map(({ pid }) => treeCpuMs(pid)));
  return each.reduce((sum, ms) => sum + ms, 0);
}

/** Makes an empty set of servers. `progress` is called with what takes time. */
export async function openServers(progress: (line: string) => void): Promise<Servers> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await mkdtempDisposable(join(tmpdir(), "muster-bench-")));
  const natsServers = new Map<string, Promise<NatsServer>>();
  const redisServers = new Map<string, Promise<Redis>>();
  const postgres = new Map<string, Promise<Postgres>>();
  const kept = opened.move();
  let databases = 0;
  return {
    async nats(name, durability) {
      const { url } = await once(natsServers, `${name}-${durability}`, async () =>
        kept.use(
          await startNatsServer({
            dataDir: join(folder.path, `nats-${name}-${durability}`),
            syncInterval: durability === "lazy" ? "lazy" : "always",
            onProgress: progress,
          }),
        ),
      );
      return { url, copies: 1 };
    },
    redis: (durability) =>
      once(redisServers, durability, async () =>
        kept.use(await startRedis(join(folder.path, `redis-${durability}`), durability, progress)),
      ),
    async database(name) {
      const server = await once(postgres, "postgres", async () =>
        kept.use(await startPostgres({ dataDir: join(folder.path, "postgres"), onProgress: progress })),
      );
      return await createDatabase(server, `${name}_${++databases}`);
    },
    async cpuMs() {
      return { nats: await sumOfCpuMs(natsServers.values()), postgres: await sumOfCpuMs(postgres.values()) };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
