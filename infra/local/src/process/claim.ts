import { writeFileSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { findChildren, findProcess, type RunningProcess, signalProcess } from "./process_table.ts";
import { lookUntil } from "./wait.ts";

/** Longest time that a server without an owner may take to end after it is asked to, ms. */
const LEFT_BEHIND_MS = 10_000;

/** A live process already runs its servers on this data folder. */
export class DataFolderInUseError extends Error {
  override readonly name = "DataFolderInUseError";
  readonly dataDir: string;
  /** Undefined in the short time before the owner has noted its id. */
  readonly ownerPid: number | undefined;
  constructor(dataDir: string, ownerPid?: number, since?: string) {
    const owner = ownerPid === undefined ? "another process, just started," : `process ${ownerPid}`;
    super(
      `Cannot start a server on ${dataDir}: ${owner} runs there${since === undefined ? "" : ` since ${since}`}; ` +
        "stop it, or choose another data folder",
    );
    this.dataDir = dataDir;
    this.ownerPid = ownerPid;
  }
}

interface Claim {
  readonly serverPid: number;
  readonly ownerPid: number;
}

function claimFile(dataDir: string): string {
  return join(dataDir, "running.json");
}

async function readClaim(dataDir: string): Promise<Claim | undefined> {
  try {
    const { serverPid, ownerPid } = JSON.parse(await readFile(claimFile(dataDir), "utf8"));
    return Number.isInteger(serverPid) && Number.isInteger(ownerPid) ? { serverPid, ownerPid } : undefined;
  } catch {
    // Never written, or cut off by a crash. The server still checks its folder itself.
    return undefined;
  }
}

/** Notes who runs the server on this folder. It is synchronous, so that no crash of ours falls between the start and the note. */
export function writeClaim(dataDir: string, serverPid: number): void {
  writeFileSync(claimFile(dataDir), JSON.stringify({ serverPid, ownerPid: process.pid }));
}

/** Finds the server that runs on this folder, by its command line. The id in a file may now belong to another process. */
async function findServerOn(dataDir: string, serverPid: number): Promise<RunningProcess | undefined> {
  const found = await findProcess(serverPid);
  return found?.commandLine.includes(`${dataDir}${sep}`) ? found : undefined;
}

/**
 * Makes the data folder and ensures that no server runs on it. A server whose owner has ended is stopped.
 *
 * Throws {@linkcode DataFolderInUseError} when the owner lives, and an error when the server does not end.
 */
export async function claimDataFolder(dataDir: string, onProgress: (line: string) => void): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  const claim = await readClaim(dataDir);
  if (claim === undefined) return;
  const { serverPid, ownerPid } = claim;
  const server = await findServerOn(dataDir, serverPid);
  if (server === undefined) return;
  // The system gives a server whose owner has ended to another parent.
  if (server.parentPid === ownerPid) throw new DataFolderInUseError(dataDir, ownerPid);
  onProgress(`stopping the server that an earlier run left behind on ${dataDir} (process ${serverPid})`);
  process.kill(serverPid, "SIGINT");
  // The server waits for the processes that it has started. These may be frozen as well.
  for (const pid of [serverPid, ...(await findChildren(serverPid))]) signalProcess(pid, "SIGCONT");
  const gone = await lookUntil(LEFT_BEHIND_MS, async () =>
    (await findServerOn(dataDir, serverPid)) === undefined ? true : undefined,
  );
  if (gone) return;
  throw new Error(
    `Cannot start a server on ${dataDir}: the one left behind by an earlier run does not end; kill process ${serverPid}`,
  );
}
