import { createHash } from "node:crypto";
import { chown, lstat, mkdir, readlink, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { canReach, type ServerUser } from "./server_user.ts";

/** Folder in which root keeps databases whose data folder PostgreSQL's user cannot reach. */
const WITHIN_REACH = "/var/lib/muster";

/** Name of the link in the data folder that leads to such a database. */
const LINK = "elsewhere";

/**
 * Returns the folder that PostgreSQL works in for `dataDir`. Makes it if it is missing, and gives it to `user`.
 *
 * It is `dataDir` itself if `user` can reach it. Otherwise, as below `/root`, it is a folder of `/var/lib/muster`, and a link in `dataDir`
 * leads to it.
 *
 * A data folder without the link is new. Files in `/var/lib/muster` then belong to an earlier data folder of this name, and are removed.
 */
export async function openDataFolder(dataDir: string, user: ServerUser | undefined): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  if (user === undefined) return dataDir;
  if (await canReach(user, dataDir)) {
    await chown(dataDir, user.uid, user.gid);
    return dataDir;
  }
  const elsewhere = join(WITHIN_REACH, createHash("sha256").update(dataDir).digest("hex").slice(0, 16));
  const link = join(dataDir, LINK);
  if ((await linkTarget(link)) !== elsewhere) {
    await rm(elsewhere, { recursive: true, force: true });
    await rm(link, { force: true });
    await symlink(elsewhere, link);
  }
  await mkdir(WITHIN_REACH, { recursive: true, mode: 0o755 });
  await mkdir(elsewhere, { recursive: true, mode: 0o700 });
  await chown(elsewhere, user.uid, user.gid);
  return elsewhere;
}

async function linkTarget(link: string): Promise<string | undefined> {
  try {
    return (await lstat(link)).isSymbolicLink() ? await readlink(link) : undefined;
  } catch {
    return undefined; // the link does not exist
  }
}
