import { lstat, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
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

/**
 * Lets `fill` make a file or folder in a scratch folder, and moves it to `<cache>/<name>` when it is whole.
 *
 * Two processes that do so at once both get a whole one. `fill` answers the path of what it made. Answers the final path.
 */
export async function addToCache(
  cache: string,
  name: string,
  fill: (scratch: string) => Promise<string>,
): Promise<string> {
  const scratch = await mkdtemp(join(cache, "tmp-"));
  try {
    const target = join(cache, name);
    await rename(await fill(scratch), target);
    return target;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
