import { access, lstat, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** Whether nobody but us and root can write here: what lies here is executed. */
async function isOursAlone(folder: string): Promise<boolean> {
  const { uid, mode } = await lstat(folder);
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}

function candidates(): string[] {
  const { XDG_CACHE_HOME, MUSTER_CACHE } = process.env;
  const own = MUSTER_CACHE ? [MUSTER_CACHE] : [];
  const xdg = XDG_CACHE_HOME ? [join(XDG_CACHE_HOME, "muster")] : [];
  // A service's user often has a home that does not exist.
  return [
    ...own,
    ...xdg,
    join(homedir(), ".cache", "muster"),
    join(tmpdir(), `muster-cache-${process.getuid?.() ?? "user"}`),
  ];
}

/**
 * The folder of what was downloaded and can be again: `MUSTER_CACHE`, the user's cache folder, or else one in the system's
 * temporary folder. It outlives the data folder and the checkout.
 *
 * Throws an AggregateError when none of them can be made.
 */
export async function openCache(): Promise<string> {
  const failures: unknown[] = [];
  for (const folder of candidates()) {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      if (await isOursAlone(folder)) return folder;
      failures.push(new Error(`Cannot trust ${folder}: others may write to it`));
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(
    failures,
    "Cannot make a cache folder; set MUSTER_CACHE to a folder that only you may write to",
  );
}

/** A program that the cache may hold. */
export interface CachedProgram {
  readonly name: string;
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
 * Two processes that do so at once both get a whole one. `fill` answers the path of what it made. Answers the final path.
 */
export async function addToCache(
  cache: string,
  { name, check }: CachedProgram,
  fill: (scratch: string) => Promise<string>,
): Promise<string> {
  const scratch = await mkdtemp(join(cache, "tmp-"));
  try {
    const target = join(cache, name);
    const made = await fill(scratch);
    await check(made);
    await rename(made, target);
    return target;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
