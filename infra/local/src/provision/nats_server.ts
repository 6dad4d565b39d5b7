// Tested by infra/local/src/provision/provision_test.ts
import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { OLDEST_NATS_SERVER, readNatsServerVersion, TRIED_NATS_SERVER } from "./nats_server_version.ts";
import { fromApt } from "./apt.ts";
import { addToCache, type CachedProgram, checked, findCaches, openCache } from "./cache.ts";
import { fromGo, type GoCommand } from "./go_install.ts";
import { fromReleaseArchive } from "./release_archive.ts";
import { findOnPath } from "./run.ts";
import { type Errand, obtainFirst, type Progress, type Refusal, type Source } from "./source.ts";

/** No source has a nats-server. */
export class NoNatsServerError extends Error {
  override readonly name = "NoNatsServerError";
  readonly refusals: readonly Refusal[];
  constructor(refusals: readonly Refusal[]) {
    const reasons = refusals.map(({ source, reason }) => `  ${source}: ${reason}`).join("\n");
    super(
      `Cannot provide a nats-server: no source could serve\n${reasons}\n` +
        `Download ${TRIED_NATS_SERVER}, or another from ${OLDEST_NATS_SERVER} on, from https://github.com/nats-io/nats-server/releases and set NATS_SERVER to its path,\n` +
        "or set NATS_URL to a server that runs already.",
    );
    this.refusals = refusals;
  }
}

/** Any nats-server that is new enough: one of the operator's, or the last resort. */
const ANY: CachedProgram = {
  name: "nats-server",
  file: "nats-server",
  async check(binary) {
    await readNatsServerVersion(binary);
  },
};

/** The version that the tests run with. A download must be exactly this version. */
const TRIED: GoCommand = {
  name: "nats-server",
  file: `nats-server-${TRIED_NATS_SERVER}`,
  module: `github.com/nats-io/nats-server/v2@v${TRIED_NATS_SERVER}`,
  async check(binary) {
    const version = await readNatsServerVersion(binary);
    if (version !== TRIED_NATS_SERVER) throw new Error(`it is ${version}, and ${TRIED_NATS_SERVER} is what is tried`);
  },
};

/** Accepts a nats-server of another version than the tested one, and reports that. */
async function takeAny(binary: string | undefined, progress: Progress): Promise<string> {
  const path = await checked(binary, ANY);
  const version = await readNatsServerVersion(path);
  if (version !== TRIED_NATS_SERVER) {
    progress(`nats-server: ${path} is ${version}; Muster is tried with ${TRIED_NATS_SERVER}`);
  }
  return path;
}

function fromEnvironment(progress: Progress): Source[] {
  const set = process.env["NATS_SERVER"];
  return set ? [{ name: "NATS_SERVER", obtain: async () => await takeAny(set, progress) }] : [];
}

/** Returns the tested version from a cache, also under the name that older versions of Muster gave it. */
async function fromCache(folder: string): Promise<string> {
  const found = await checked(join(folder, TRIED.file), TRIED).catch(() => checked(join(folder, ANY.file), TRIED));
  if (process.getuid?.() !== 0) return found;
  const shared = await openCache();
  if (shared === folder) return found;
  // Other users cannot enter root's home.
  return await addToCache(shared, TRIED, async (scratch) => {
    const copy = join(scratch, TRIED.name);
    await copyFile(found, copy);
    return copy;
  });
}

/** Returns the newest server of a cache that is new enough. It is used where nothing can be downloaded. */
async function anyFromCache(folder: string, progress: Progress): Promise<string> {
  const names = (await readdir(folder))
    .filter((name) => name.startsWith(ANY.file))
    .sort()
    .reverse();
  for (const name of names) {
    const path = await takeAny(join(folder, name), progress).catch(() => undefined); // too old, or not a program
    if (path !== undefined) return path;
  }
  throw new Error("it is not there");
}

/** Takes the version that the newest suite has now. The suite moves on, so one day it will not have the tested version. */
async function anyFromApt(errand: Errand): Promise<string> {
  return await takeAny(await fromApt(errand, ANY), errand.progress);
}

/**
 * Finds a nats-server that is new enough, or downloads one. Returns the path of its binary.
 *
 * It tries, in this order: `NATS_SERVER`, PATH, the caches, Debian's newest suite, the official release, Go. A download is {@linkcode
 * TRIED_NATS_SERVER}, and is kept in the cache. Only if no source has that version, another one is taken and reported.
 *
 * `progress` is told why a source failed, and what takes time. Throws {@linkcode NoNatsServerError} when all fail, and the reason of
 * `signal` when that aborts.
 */
export async function provisionNatsServer(progress: Progress, signal?: AbortSignal): Promise<string> {
  const errand = { openCache, progress, signal };
  const caches = await findCaches();
  const sources: Source[] = [
    ...fromEnvironment(progress),
    { name: "PATH", obtain: async () => await takeAny(await findOnPath(ANY.name), progress) },
    ...caches.map((cache) => ({ name: `the cache ${cache}`, obtain: async () => await fromCache(cache) })),
    { name: "Debian's newest suite", obtain: async () => await fromApt(errand, TRIED) },
    { name: "the official release", obtain: async () => await fromReleaseArchive(errand, TRIED) },
    { name: "Go", obtain: async () => await fromGo(errand, TRIED) },
    ...caches.map((cache) => ({
      name: `another version in ${cache}`,
      obtain: async () => await anyFromCache(cache, progress),
    })),
    { name: "another version in Debian's newest suite", obtain: async () => await anyFromApt(errand) },
  ];
  const found = await obtainFirst(ANY.name, sources, errand);
  if (typeof found !== "string") throw new NoNatsServerError(found);
  return found;
}
