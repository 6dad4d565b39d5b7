// Tested by infra/local/src/postgres/postgres_test.ts
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chown, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ServerUser } from "./server_user.ts";

const execute = promisify(execFile);

/** Name of the cluster's superuser, and of the database that every cluster has. */
export const SUPERUSER = "postgres";

/** Longest time in which `initdb` may make a cluster, ms. It takes a second of CPU, and far longer beside many other programs. */
const MAKE_WITHIN_MS = 300_000;

export interface Cluster {
  /** PostgreSQL's data directory. */
  readonly pgData: string;
  readonly password: string;
}

export interface ClusterOptions {
  readonly folder: string;
  /** Folder of `initdb`. */
  readonly programs: string;
  readonly user: ServerUser | undefined;
  readonly onProgress: (line: string) => void;
}

/** `initdb` could not make the cluster. */
export class ClusterNotMadeError extends Error {
  override readonly name = "ClusterNotMadeError";
  readonly folder: string;
  constructor(folder: string, cause: unknown) {
    super(`Cannot make a database cluster in ${folder}: ${complaint(cause)}; ${remedy(cause)}`, { cause });
    this.folder = folder;
  }
}

/** Returns the last line of a failed program's error output. */
function complaint(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const stderr = "stderr" in cause ? String(cause.stderr).trim() : "";
  return stderr.split("\n").at(-1) || cause.message;
}

function remedy(cause: unknown): string {
  // PostgreSQL looks up the name of the user that it runs as, and fails without one.
  return complaint(cause).includes("effective user ID")
    ? "PostgreSQL needs a user that the system knows by name; run under one, or set DATABASE_URL to a server of yours"
    : "mend that, or set DATABASE_URL to a server of yours";
}

async function readPassword(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function readMajorVersion(programs: string): Promise<number> {
  const { stdout } = await execute(join(programs, "initdb"), ["--version"], { timeout: 10_000, env: {} });
  return Number(/ (\d+)/.exec(stdout)?.[1] ?? 0);
}

/** Makes the cluster beside its final place and then moves it there. So a crash in between leaves no cluster. */
async function initialize(
  { folder, programs, user, onProgress }: ClusterOptions,
  passwordFile: string,
  pgData: string,
): Promise<string> {
  onProgress("postgres: making the database cluster");
  const password = randomBytes(16).toString("hex");
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user !== undefined) await chown(passwordFile, user.uid, user.gid);
  const scratch = join(folder, "pgdata-unfinished");
  await rm(scratch, { recursive: true, force: true });
  const settings = [
    ["--pgdata", scratch],
    ["--username", SUPERUSER],
    ["--pwfile", passwordFile],
    ["--auth", "scram-sha-256"],
    ["--encoding", "UTF8"],
    // A password of 128 random bits needs no slow hash, and each connection computes the hash. Versions before 16 do not have this setting.
    (await readMajorVersion(programs)) >= 16 ? ["--set", "scram_iterations=1"] : [],
  ].flat();
  const place = { ...user, cwd: "/", timeout: MAKE_WITHIN_MS, env: {} };
  try {
    await execute(join(programs, "initdb"), [...settings, "--no-locale"], place);
  } catch (cause) {
    throw new ClusterNotMadeError(folder, cause);
  }
  await rename(scratch, pgData);
  return password;
}

/** Opens the cluster in the folder. If there is none, it is made, in about 0.7 s. Its password exists only in the folder. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const pgData = join(options.folder, "pgdata");
  const passwordFile = join(options.folder, "password");
  const version = await readPassword(join(pgData, "PG_VERSION"));
  const known = version === undefined ? undefined : await readPassword(passwordFile);
  if (version !== undefined && known === undefined) {
    throw new Error(
      `Cannot use the database in ${options.folder}: its password is missing; restore ${passwordFile}, or remove the folder`,
    );
  }
  return { pgData, password: known ?? (await initialize(options, passwordFile, pgData)) };
}
