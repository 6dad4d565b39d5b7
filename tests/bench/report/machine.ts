import { execFile } from "node:child_process";
import { availableParallelism, cpus, loadavg } from "node:os";
import { promisify } from "node:util";
import { ROOT } from "../servers/places.ts";

/** The place and time of a run. */
export interface RunDescription {
  readonly startedAt: string;
  readonly node: string;
  readonly cores: number;
  readonly processor: string;
  /** Load of the last minute, at the end of the run. It shows other work on the machine. */
  readonly load: number;
  /** The measured commit; undefined outside a checkout. */
  readonly commit: string | undefined;
}

export async function describeRun(startedAt: Date): Promise<RunDescription> {
  const commit = await promisify(execFile)("git", ["rev-parse", "--short", "HEAD"], { cwd: ROOT }).then(
    ({ stdout }) => stdout.trim(),
    () => undefined, // an archive without its history can be measured too
  );
  return {
    startedAt: startedAt.toISOString(),
    node: process.version,
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    commit,
  };
}
