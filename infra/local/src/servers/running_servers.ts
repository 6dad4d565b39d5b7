import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findProcess } from "../process/process_table.ts";

/** The servers that a running `muster up` uses, so that other commands find them. */
export interface RunningServers {
  readonly natsUrl: string;
  /** With its password. */
  readonly databaseUrl: string;
}

/** Where `muster up` keeps its data unless told otherwise: `.muster` in the workspace. */
export function defaultDataDir(): string {
  return join(import.meta.dirname, "..", "..", "..", "..", ".muster");
}

function noteFile(dataDir: string): string {
  return join(dataDir, "servers.json");
}

/** Notes in the data folder which servers this process has running. Only the folder's owner may read the note. */
export async function noteRunningServers(dataDir: string, { natsUrl, databaseUrl }: RunningServers): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  const file = noteFile(dataDir);
  const scratch = `${file}.${process.pid}`;
  await writeFile(scratch, JSON.stringify({ pid: process.pid, natsUrl, databaseUrl }), { mode: 0o600 });
  await rename(scratch, file);
}

/** Takes the note back. */
export async function forgetRunningServers(dataDir: string): Promise<void> {
  await rm(noteFile(dataDir), { force: true });
}

/** The servers that a live process has noted in the data folder; undefined when there are none. */
export async function findRunningServers(dataDir: string = defaultDataDir()): Promise<RunningServers | undefined> {
  let text: string;
  try {
    text = await readFile(noteFile(dataDir), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const { pid, natsUrl, databaseUrl } = JSON.parse(text);
  if ((await findProcess(Number(pid))) === undefined) return undefined;
  return { natsUrl: String(natsUrl), databaseUrl: String(databaseUrl) };
}
