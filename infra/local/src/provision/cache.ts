// Tested by infra/local/src/provision/provision_test.ts
import { access, constants, lstat, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** Folder in which root keeps programs that every user of the machine may run. */
const OF_THE_MACHINE = "/var/cache/muster";

/** Whether only we and root can write here. That matters, since programs from here are executed. */
async function isTrusted(folder: string): Promise<boolean> {
  const { uid, mode } = await lstat(folder);
  return (uid === 0 || uid === process.getuid?.()) && (mode & 0o022) === 0;
}

/** Returns the user's own cache folders; none where neither HOME nor the system's list of users names a home. */
function ofHome(): string[] {
  try {
    return [join(homedir(), ".cache", "muster")];
  } catch {
    return []; // Node.js throws for a user id without a name
  }
}

function candidates(): string[] {
  const { XDG_CACHE_HOME, MUSTER_CACHE } = process.env;
  return [
    ...(MUSTER_CACHE ? [MUSTER_CACHE] : []),
    ...(XDG_CACHE_HOME ? [join(XDG_CACHE_HOME, "muster")] : []),
    // The users of services may also use what root downloads.
    ...(process.getuid?.() === 0 ? [OF_THE_MACHINE] : []),
    ...ofHome(),
    // The user of a service often has a home that does not exist.
    join(tmpdir(), `muster-cache-${process.getuid?.() ?? "user"}`),
  ];
}

/**
 * Returns the folder for downloads: `MUSTER_CACHE`, the user's cache folder, or a folder in the system's temporary one. Each file in it can
 * be downloaded again.
 *
 * It outlives the data folder and the checkout. It is made if it is missing. Root's may be read by all.
 *
 * Throws an error that says for each folder why it cannot be written, where that is so for all.
 */
export async function openCache(): Promise<string> {
  const failures: string[] = [];
  for (const folder of candidates()) {
    try {
      await mkdir(folder, { recursive: true, mode: folder === OF_THE_MACHINE ? 0o755 : 0o700 });
      await access(folder, constants.W_OK | constants.X_OK);
      if (await isTrusted(folder)) return folder;
      failures.push(`${folder}: others may write to it, and what lies there is run`);
    } catch (error) {
      failures.push(`${folder}: ${error instanceof Error ? error.message : error}`);
    }
  }
  throw new Error(
    `Cannot keep what is downloaded: no folder can be used; set MUSTER_CACHE to one that only you may write to\n  ${failures.join("\n  ")}`,
  );
}

/** Returns every folder in which an earlier run, or root's, may have left something for us. Creates nothing. */
export async function findCaches(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const folder of new Set([...candidates(), OF_THE_MACHINE])) {
    // Most of these folders do not exist.
    if (await isTrusted(folder).catch(() => false)) found.push(folder);
  }
  return found;
}

/** A program that the cache may hold. */
export interface CachedProgram {
  /** Name by which its makers call it, e.g. `nats-server`. */
  readonly name: string;
  /** Name of its file in the cache. */
  readonly file: string;
  /** Throws when the file is not the wanted program. */
  check(binary: string): Promise<void>;
}

/** Returns the path if the program lies there. Otherwise throws the reason, in one line. */
export async function checked(binary: string | undefined, { check }: CachedProgram): Promise<string> {
  if (binary === undefined) throw new Error("it is not there");
  await access(binary).catch((cause) => {
    throw new Error("it is not there", { cause });
  });
  await check(binary);
  return binary;
}

/**
 * Lets `fill` make the program in a scratch folder, checks it, and moves it to its place in the cache. Returns the final path.
 *
 * `fill` returns the path of what it made. Two processes may do this at the same time, and both get a whole program.
 */
export async function addToCache(
  cache: string,
  { file, check }: CachedProgram,
  fill: (scratch: string) => Promise<string>,
): Promise<string> {
  const scratch = await mkdtemp(join(cache, "tmp-"));
  try {
    const target = join(cache, file);
    const made = await fill(scratch);
    await check(made);
    await rename(made, target);
    return target;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
