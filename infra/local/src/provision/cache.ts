// Tested by infra/local/src/provision/provision_test.ts
import { access, constants, lstat, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** Where root keeps what every user of the machine may run. */
const OF_THE_MACHINE = "/var/cache/muster";

/** Whether nobody but us and root can write here: what lies here is executed. */
async function isTrusted(folder: string): Promise<boolean> {
  const { uid, mode } = await lstat(folder);
  return (uid === 0 || uid === process.getuid?.()) && (mode & 0o022) === 0;
}

/** The user's own cache folders; none where neither HOME nor the system's list of users names a home. */
function ofHome(): string[] {
  try {
    return [join(homedir(), ".cache", "muster")];
  } catch {
    return []; // Node.js throws for a user id that has no name
  }
}

function candidates(): string[] {
  const { XDG_CACHE_HOME, MUSTER_CACHE } = process.env;
  return [
    ...(MUSTER_CACHE ? [MUSTER_CACHE] : []),
    ...(XDG_CACHE_HOME ? [join(XDG_CACHE_HOME, "muster")] : []),
    // What root gets is for the users that services run as, too.
    ...(process.getuid?.() === 0 ? [OF_THE_MACHINE] : []),
    ...ofHome(),
    // A service's user often has a home that does not exist.
    join(tmpdir(), `muster-cache-${process.getuid?.() ?? "user"}`),
  ];
}

/**
 * The folder of what was downloaded and can be again: `MUSTER_CACHE`, the user's cache folder, or else one in the system's
 * temporary folder. It outlives the data folder and the checkout. Made when missing; root's may be read by all.
 *
 * Throws an error with what is wrong with each when none of them can be written.
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

/** Every folder in which an earlier run, or root's, may have left something for us. Nothing is made. */
export async function findCaches(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const folder of new Set([...candidates(), OF_THE_MACHINE])) {
    // Most of them are not there.
    if (await isTrusted(folder).catch(() => false)) found.push(folder);
  }
  return found;
}

/** A program that the cache may hold. */
export interface CachedProgram {
  /** As whoever makes it calls it, e.g. `nats-server`. */
  readonly name: string;
  /** The name of its file in the cache. */
  readonly file: string;
  /** Throws when the file is not the program that is wanted. */
  check(binary: string): Promise<void>;
}

/** Returns the path if the program lies there. Throws, in a line, why not. */
export async function checked(binary: string | undefined, { check }: CachedProgram): Promise<string> {
  if (binary === undefined) throw new Error("it is not there");
  await access(binary).catch((cause) => {
    throw new Error("it is not there", { cause });
  });
  await check(binary);
  return binary;
}

/**
 * Lets `fill` make the program in a scratch folder, and moves it to its place in the cache once it has been checked.
 *
 * Two processes that do so at once both get a whole one. `fill` returns the path of what it made. Returns the final path.
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
