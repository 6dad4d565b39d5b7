import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addToCache, type CachedProgram } from "./cache.ts";
import { TRIED_NATS_SERVER } from "./nats_server_version.ts";
import { run } from "./run.ts";
import type { Errand } from "./source.ts";

const RELEASE = `https://github.com/nats-io/nats-server/releases/download/v${TRIED_NATS_SERVER}`;

/** Longest time until the first byte, and until the whole archive, ms. */
const ANSWER_WITHIN_MS = 5_000;
const WHOLE_WITHIN_MS = 120_000;

/** The platform as Go names it, e.g. `linux-amd64`. */
function goPlatform(): string {
  const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };
  const architecture = architectures[process.arch];
  if (architecture === undefined) throw new Error(`there is no release for ${process.arch} processors`);
  return `${process.platform}-${architecture}`;
}

async function download(url: string, signal: AbortSignal | undefined): Promise<Buffer> {
  const gaveUp = new AbortController();
  const late = setTimeout(
    () => gaveUp.abort(new Error(`no answer within ${ANSWER_WITHIN_MS / 1_000} s`)),
    ANSWER_WITHIN_MS,
  );
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([gaveUp.signal, AbortSignal.timeout(WHOLE_WITHIN_MS), ...(signal ? [signal] : [])]),
    });
    clearTimeout(late);
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (cause) {
    signal?.throwIfAborted();
    const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
    throw new Error(`cannot download ${url}: ${reason}`, { cause });
  } finally {
    clearTimeout(late);
  }
}

/** Reads the sum of the archive from the release itself. No other source that can be reached here has it. */
async function expectedSum(archive: string, signal: AbortSignal | undefined): Promise<string> {
  const sums = (await download(`${RELEASE}/SHA256SUMS`, signal)).toString("utf8");
  const line = sums.split("\n").find((candidate) => candidate.trim().endsWith(` ${archive}`));
  const sum = line?.trim().split(/\s+/)[0];
  if (sum === undefined) throw new Error(`the release has no sum for ${archive}`);
  return sum;
}

/**
 * Downloads the official release, checks its sum, and unpacks the server into the cache. Throws the reason in one line where this fails.
 */
export async function fromReleaseArchive(
  { openCache, progress, signal }: Errand,
  program: CachedProgram,
): Promise<string> {
  const platform = goPlatform();
  const folder = `nats-server-v${TRIED_NATS_SERVER}-${platform}`;
  const archive = `${folder}.tar.gz`;
  progress(`nats-server: downloading ${TRIED_NATS_SERVER} for ${platform}`);
  const sum = await expectedSum(archive, signal);
  const bytes = await download(`${RELEASE}/${archive}`, signal);
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== sum) throw new Error(`${archive} has SHA-256 ${found}, and ${sum} was expected; it is not used`);
  return await addToCache(await openCache(), program, async (scratch) => {
    await writeFile(join(scratch, archive), bytes);
    await run("tar", ["-xzf", archive, `${folder}/nats-server`], { cwd: scratch, timeoutMs: 30_000, signal });
    return join(scratch, folder, "nats-server");
  });
}
