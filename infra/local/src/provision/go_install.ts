import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { addToCache, type CachedProgram } from "./cache.ts";
import { findOnPath, run } from "./run.ts";
import type { Errand } from "./source.ts";

/** Longest time for a download of the modules and a build, on a small machine, ms. */
const BUILD_WITHIN_MS = 300_000;

/** A command written in Go. */
export interface GoCommand extends CachedProgram {
  /** Path and version, as `go install` takes them. */
  readonly module: string;
}

/** Builds the command with Go into the cache. Throws the reason in one line where this fails. */
export async function fromGo({ openCache, progress, signal }: Errand, command: GoCommand): Promise<string> {
  const { name, module } = command;
  const go = await findOnPath("go");
  if (go === undefined) throw new Error("there is no Go on this machine");
  progress(`${name}: building ${module} with Go; this takes a minute or two`);
  return await addToCache(await openCache(), command, async (scratch) => {
    const bin = join(scratch, "bin");
    await mkdir(bin);
    // Go's own folders lie in the user's home, which may not exist. Its modules are read-only, so they could not be removed with the
    // scratch folder.
    const folders = {
      GOBIN: bin,
      GOPATH: join(scratch, "go"),
      GOCACHE: join(scratch, "build"),
      GOFLAGS: "-modcacherw",
    };
    await run(go, ["install", module], { timeoutMs: BUILD_WITHIN_MS, cwd: scratch, env: folders, signal });
    return join(bin, name);
  });
}
