import { createDatabase, type NatsServer, type Postgres, startNatsServer, startPostgres } from "@muster/local";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Redis, startRedis } from "./redis.ts";

/** Whether what is acknowledged is on the disk (`synced`), or may wait for it in memory (`lazy`). */
export type Durability = "lazy" | "synced";

/** The servers of one run, each started when it is first asked for, on folders that go with the run. */
export interface Servers extends AsyncDisposable {
  /** One nats-server for each name. */
  nats(name: string, durability: Durability): Promise<NatsServer>;
  redis(durability: Durability): Promise<Redis>;
  /** A new database on a PostgreSQL as it comes: each commit is on the disk. */
  database(name: string): Promise<string>;
}

function once<Value>(known: Map<string, Promise<Value>>, key: string, start: () => Promise<Value>): Promise<Value> {
  const found = known.get(key) ?? start();
  known.set(key, found);
  return found;
}

/** `progress` hears of what takes time. */
export async function openServers(progress: (line: string) => void): Promise<Servers> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await mkdtempDisposable(join(tmpdir(), "muster-bench-")));
  const natsServers = new Map<string, Promise<NatsServer>>();
  const redisServers = new Map<string, Promise<Redis>>();
  const postgres = new Map<string, Promise<Postgres>>();
  const kept = opened.move();
  let databases = 0;
  return {
    nats: (name, durability) =>
      once(natsServers, `${name}-${durability}`, async () =>
        kept.use(
          await startNatsServer({
            dataDir: join(folder.path, `nats-${name}-${durability}`),
            syncInterval: durability === "lazy" ? "lazy" : "always",
            onProgress: progress,
          }),
        ),
      ),
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
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
