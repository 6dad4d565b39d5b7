import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DataFolderInUseError } from "./claim.ts";
import { findProcess } from "./process_table.ts";
import { lookUntil } from "./wait.ts";

/** SQLite's code for a file that another process has locked. */
const SQLITE_BUSY = 5;

/** Longest time that a holder may take to note who it is, ms. */
const SAID_WITHIN_MS = 1_000;

/** A lock on a data folder. This process holds it until it disposes of it, or ends in any way. */
export type FolderLock = Disposable;

interface Holder {
  readonly pid: number;
  readonly since: string;
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}

/** Reads who holds the lock. Between taking the lock and the note, this is undefined or still an earlier holder. */
async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    const { pid, since } = JSON.parse(await readFile(file, "utf8"));
    if (!Number.isInteger(pid) || typeof since !== "string") return undefined;
    return (await findProcess(pid)) === undefined ? undefined : { pid, since };
  } catch {
    return undefined; // not written yet, or only in part
  }
}

/**
 * Locks a data folder for this process alone. The folder must exist.
 *
 * The lock is the operating system's, on a file that SQLite opens, since Node.js itself cannot lock files. So it is free as soon as its
 * holder has ended, even by SIGKILL. A reused process id cannot be mistaken for a holder.
 *
 * Throws {@linkcode DataFolderInUseError} at once where another process has the lock, and the system's error where the folder cannot be
 * written.
 */
export async function lockFolder(dataDir: string): Promise<FolderLock> {
  const holderFile = join(dataDir, "holder.json");
  const lockFile = join(dataDir, "holder.lock");
  // SQLite also opens a file that it may only read, but then it locks nothing.
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
