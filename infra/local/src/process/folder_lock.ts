import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DataFolderInUseError } from "./claim.ts";
import { findProcess } from "./process_table.ts";
import { lookUntil } from "./wait.ts";

/** What SQLite calls a file that another process has locked. */
const SQLITE_BUSY = 5;

/** The longest that a holder may take to say who it is, ms. */
const SAID_WITHIN_MS = 1_000;

/** A data folder that this process has to itself until it disposes of this, or ends in whatever way. */
export type FolderLock = Disposable;

interface Holder {
  readonly pid: number;
  readonly since: string;
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}

/** Who holds the lock; undefined in the moment between taking it and saying so, in which an earlier one's word may still stand. */
async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    const { pid, since } = JSON.parse(await readFile(file, "utf8"));
    if (!Number.isInteger(pid) || typeof since !== "string") return undefined;
    return (await findProcess(pid)) === undefined ? undefined : { pid, since };
  } catch {
    return undefined; // not written yet, or not to the end
  }
}

/**
 * Takes a data folder, which must be there, for this process alone.
 *
 * The lock is the operating system's, on a file that SQLite opens, since Node.js itself locks no files. So it is free as soon as its holder
 * has ended, also by SIGKILL, and no id of a process that ended can be taken for a holder. Throws {@linkcode DataFolderInUseError} at once
 * where another process has it, and the system's error where the folder cannot be written.
 */
export async function lockFolder(dataDir: string): Promise<FolderLock> {
  const holderFile = join(dataDir, "holder.json");
  const lockFile = join(dataDir, "holder.lock");
  // SQLite is content with a file that may only be read, and locks nothing then.
  await (await open(lockFile, "a")).close();
  const lock = new DatabaseSync(lockFile);
  try {
    lock.exec("begin exclusive");
  } catch (error) {
    lock.close();
    if (!isBusy(error)) throw error;
    const holder = await lookUntil(SAID_WITHIN_MS, () => readHolder(holderFile));
    throw new DataFolderInUseError(dataDir, holder?.pid, holder?.since);
  }
  const holder: Holder = { pid: process.pid, since: new Date().toISOString() };
  await writeFile(holderFile, JSON.stringify(holder));
  return { [Symbol.dispose]: () => lock.close() };
}
