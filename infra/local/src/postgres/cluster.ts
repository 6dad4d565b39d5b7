import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chown, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ServerUser } from "./server_user.ts";

const execute = promisify(execFile);

/** The superuser of the cluster and the database that every cluster has. */
export const SUPERUSER = "postgres";

export interface Cluster {
  /** What PostgreSQL calls its data directory. */
  readonly pgData: string;
  readonly password: string;
}

export interface ClusterOptions {
  readonly folder: string;
  /** The folder with `initdb`. */
  readonly programs: string;
  readonly user: ServerUser | undefined;
  readonly onProgress: (line: string) => void;
}

async function readPassword(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Makes the cluster beside its place and moves it there, so that a crash half-way leaves none. */
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
    // A password of 128 random bits needs no slow hash, and each connection computes it.
    ["--set", "scram_iterations=1"],
  ].flat();
  await execute(join(programs, "initdb"), [...settings, "--no-locale"], {
    ...user,
    cwd: "/",
    timeout: 60_000,
    env: {},
  });
  await rename(scratch, pgData);
  return password;
}

/** The cluster in the folder; made when there is none, in about 0.7 s. Its password exists only in the folder. */
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
