import { stat } from "node:fs/promises";
import { dirname } from "node:path";

/** User and group that a server runs as. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** The user that owns nothing, by its usual number. */
const NOBODY: ServerUser = { uid: 65534, gid: 65534 };

/** Returns the user for PostgreSQL, which refuses to run as root: the user nobody for root; undefined: the user of this process. */
export function choosePostgresUser(): ServerUser | undefined {
  return process.getuid?.() === 0 ? NOBODY : undefined;
}

/** Whether the user may pass through every folder above `path`. Groups are not checked, since our user is in none. */
export async function canReach(user: ServerUser, path: string): Promise<boolean> {
  const folder = dirname(path);
  if (folder === path) return true;
  const { uid, mode } = await stat(folder);
  const mayPass = uid === user.uid ? (mode & 0o100) !== 0 : (mode & 0o001) !== 0;
  return mayPass && (await canReach(user, folder));
}
