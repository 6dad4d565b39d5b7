import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The oldest nats-server with all features that Muster uses. An older one ignores a lock's TTL without an error. */
export const OLDEST_NATS_SERVER = "2.12.0";

/** The nats-server that the tests run with. It is downloaded where there is none. Debian, Go and the official release have it. */
export const TRIED_NATS_SERVER = "2.15.1";

/** The binary is older than {@linkcode OLDEST_NATS_SERVER}. */
export class NatsServerTooOldError extends Error {
  override readonly name = "NatsServerTooOldError";
  readonly binary: string;
  readonly version: string;
  constructor(binary: string, version: string) {
    super(
      `Cannot use ${binary}: it is nats-server ${version}, and ${OLDEST_NATS_SERVER} or newer is needed; upgrade it, or unset NATS_SERVER`,
    );
    this.binary = binary;
    this.version = version;
  }
}

/** Whether version `a` comes before version `b`. Both are numbers with dots between them. Text after a dash is ignored. */
export function isOlder(a: string, b: string): boolean {
  const numbers = (version: string) => (version.split("-")[0] ?? "").split(".").map(Number);
  const [left, right] = [numbers(a), numbers(b)];
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Versions that programs have printed, by the file as it was then. Only `readNatsServerVersion` reads and writes it. */
const printed = new Map<string, string>();

/**
 * Returns the version that the nats-server `binary` prints, e.g. `2.15.1`. A file that has not changed is asked once.
 *
 * Throws {@linkcode NatsServerTooOldError}, and an error when the file cannot be executed or is another program.
 */
export async function readNatsServerVersion(binary: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(binary);
  const file = [binary, ino, size, mtimeMs].join(" ");
  const version = printed.get(file) ?? (await askVersion(binary));
  printed.set(file, version);
  return version;
}

async function askVersion(binary: string): Promise<string> {
  const { stdout } = await run(binary, ["--version"], { timeout: 10_000 });
  const version = /^nats-server: v(\d+\.\d+\.\d+\S*)/m.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`Cannot use ${binary}: it is no nats-server; set NATS_SERVER to one`);
  if (isOlder(version, OLDEST_NATS_SERVER)) throw new NatsServerTooOldError(binary, version);
  return version;
}
