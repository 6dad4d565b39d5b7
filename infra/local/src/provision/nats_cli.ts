import { join } from "node:path";
import { checked, findCaches, openCache } from "./cache.ts";
import { fromGo, type GoCommand } from "./go_install.ts";
import { findOnPath, run } from "./run.ts";
import { obtainFirst, type Progress, type Refusal, type Source } from "./source.ts";

/** The `nats` command line, or why there is none. */
export type NatsCli = { readonly path: string } | { readonly path: undefined; readonly refusals: readonly Refusal[] };

async function check(binary: string): Promise<void> {
  await run(binary, ["--version"], { timeoutMs: 10_000 });
}

// v0.5.1 cannot be installed this way.
const PROGRAM: GoCommand = { name: "nats", file: "nats", module: "github.com/nats-io/natscli/nats@v0.5.0", check };

/**
 * Finds the `nats` command line on PATH or in the cache, or builds it where Go is installed. Only tests need it, to publish.
 *
 * Throws the reason of `signal` when that aborts.
 */
export async function provisionNatsCli(progress: Progress, signal?: AbortSignal): Promise<NatsCli> {
  const errand = { openCache, progress, signal };
  const caches = await findCaches();
  const sources: Source[] = [
    { name: "PATH", obtain: async () => await checked(await findOnPath(PROGRAM.name), PROGRAM) },
    ...caches.map((cache) => ({
      name: `the cache ${cache}`,
      obtain: async () => await checked(join(cache, PROGRAM.file), PROGRAM),
    })),
    { name: "Go", obtain: async () => await fromGo(errand, PROGRAM) },
  ];
  const found = await obtainFirst(PROGRAM.name, sources, errand);
  return typeof found === "string" ? { path: found } : { path: undefined, refusals: found };
}
