import { readFile, stat } from "node:fs/promises";
import type { ServerProcess } from "./server_process.ts";
import { lookUntil } from "./wait.ts";

/** How long a server may take until it serves, ms. A recovery after a crash of the machine takes longest. */
const READY_WITHIN_MS = 60_000;

/** How much of the log an error quotes, characters. */
const QUOTED_LOG = 2_000;

/** A server ended, or did not get ready, after it was started. */
export class ServerStartError extends Error {
  override readonly name = "ServerStartError";
  readonly server: string;
  readonly logFile: string;
  /** The end of what the server wrote since it was started. */
  readonly log: string;
  constructor(server: string, found: string, written: { readonly logFile: string; readonly log: string }) {
    super(`Cannot start ${server}: ${found}; see ${written.logFile}, which ends in\n${written.log}`);
    this.server = server;
    this.logFile = written.logFile;
    this.log = written.log;
  }
}

/** Where the log ends now, so that an error quotes only what a start of ours wrote. */
export async function logEnd(logFile: string): Promise<number> {
  try {
    return (await stat(logFile)).size;
  } catch {
    return 0; // not yet written
  }
}

async function quoteLog(logFile: string, from: number): Promise<string> {
  try {
    return (await readFile(logFile)).subarray(from).toString("utf8").slice(-QUOTED_LOG).trimEnd();
  } catch (error) {
    return String(error); // the log is what we wanted to explain the failure with; its absence explains it too
  }
}

export interface ReadinessOptions<T> {
  readonly server: string;
  readonly serverProcess: ServerProcess;
  readonly logFile: string;
  readonly logFrom: number;
  /** Returns what the server is known by once it serves, and undefined before. */
  look(): Promise<T | undefined>;
}

/** Waits until the server serves. Throws {@linkcode ServerStartError} when it ended first or took too long; it is stopped then. */
export async function whenReady<T>(options: ReadinessOptions<T>): Promise<T> {
  const { server, serverProcess, logFile, logFrom, look } = options;
  const ended = new AbortController();
  void serverProcess.exited.then(({ code, signal }) => ended.abort(`it ended with ${signal ?? `exit code ${code}`}`));
  const ready = await lookUntil(READY_WITHIN_MS, look, ended.signal);
  if (ready !== undefined && !ended.signal.aborted) return ready;
  const found = ended.signal.aborted
    ? String(ended.signal.reason)
    : `it was not ready after ${READY_WITHIN_MS / 1_000} s`;
  await serverProcess.stop(1_000);
  throw new ServerStartError(server, found, { logFile, log: await quoteLog(logFile, logFrom) });
}
