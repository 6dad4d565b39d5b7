import { readFile, stat } from "node:fs/promises";
import type { ServerProcess } from "./server_process.ts";
import { lookUntil } from "./wait.ts";

/** Longest time until a server is ready, ms. A recovery after a crash of the machine takes longest. */
const READY_WITHIN_MS = 60_000;

/** Length of the log's end that an error quotes, characters. */
const QUOTED_LOG = 2_000;

/** A server ended after its start, or did not become ready. */
export class ServerStartError extends Error {
  override readonly name = "ServerStartError";
  readonly server: string;
  readonly logFile: string;
  /** The end of the log since the server was started. */
  readonly log: string;
  constructor(server: string, found: string, written: { readonly logFile: string; readonly log: string }) {
    super(`Cannot start ${server}: ${found}; see ${written.logFile}, which ends in\n${written.log}`);
    this.server = server;
    this.logFile = written.logFile;
    this.log = written.log;
  }
}

/** Returns the present length of the log. With it an error quotes only the lines of our own start. */
export async function logEnd(logFile: string): Promise<number> {
  try {
    return (await stat(logFile)).size;
  } catch {
    return 0; // not written yet
  }
}

async function quoteLog(logFile: string, from: number): Promise<string> {
  try {
    return (await readFile(logFile)).subarray(from).toString("utf8").slice(-QUOTED_LOG).trimEnd();
  } catch (error) {
    return String(error); // a log that cannot be read explains the failure too
  }
}

export interface ReadinessOptions<T> {
  readonly server: string;
  readonly serverProcess: ServerProcess;
  readonly logFile: string;
  readonly logFrom: number;
  /** Returns the server's address or the like when it is ready; undefined: not yet. */
  look(): Promise<T | undefined>;
}

/**
 * Waits until the server is ready. Throws {@linkcode ServerStartError} when it ended first or took too long. The server is then stopped.
 */
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
