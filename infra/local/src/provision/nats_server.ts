import { join } from "node:path";
import { OLDEST_NATS_SERVER, readNatsServerVersion } from "./nats_server_version.ts";
import { fromApt } from "./apt.ts";
import { openCache } from "./cache.ts";
import { fromGo } from "./go_install.ts";
import { fromReleaseArchive } from "./release_archive.ts";
import { findOnPath } from "./run.ts";
import { obtainFirst, type Progress, type Refusal, type Source } from "./source.ts";

const PROGRAM = "nats-server";
const GO_COMMAND = { name: PROGRAM, module: "github.com/nats-io/nats-server/v2@v2.15.2" };

/** No source could serve. */
export class NoNatsServerError extends Error {
  override readonly name = "NoNatsServerError";
  readonly refusals: readonly Refusal[];
  constructor(refusals: readonly Refusal[]) {
    const reasons = refusals.map(({ source, reason }) => `  ${source}: ${reason}`).join("\n");
    super(
      `Cannot provide a nats-server: no source could serve\n${reasons}\n` +
        `Download ${OLDEST_NATS_SERVER} or newer from https://github.com/nats-io/nats-server/releases and set NATS_SERVER to its path,\n` +
        "or set NATS_URL to a server that runs already.",
    );
    this.refusals = refusals;
  }
}

async function checked(binary: string): Promise<string> {
  await readNatsServerVersion(binary);
  return binary;
}

function fromEnvironment(): Source[] {
  const set = process.env["NATS_SERVER"];
  return set ? [{ name: "NATS_SERVER", obtain: () => checked(set) }] : [];
}

async function fromPath(): Promise<string> {
  const found = await findOnPath(PROGRAM);
  if (found === undefined) throw new Error("it is not there");
  return await checked(found);
}

async function fromCache(cache: string): Promise<string> {
  try {
    return await checked(join(cache, PROGRAM));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT")
      throw new Error("nothing there yet", { cause });
    throw cause;
  }
}

/**
 * Finds a nats-server that is new enough, or gets one; answers the path of its binary.
 *
 * In this order: `NATS_SERVER`, PATH, the cache, the official release, Debian's newest suite, Go. What is got is kept in the cache.
 * `progress` hears why a source could not serve, and of what takes time. Throws {@linkcode NoNatsServerError} when none can.
 */
export async function provisionNatsServer(progress: Progress): Promise<string> {
  const cache = await openCache();
  const sources: Source[] = [
    ...fromEnvironment(),
    { name: "PATH", obtain: fromPath },
    { name: `the cache ${cache}`, obtain: () => fromCache(cache) },
    {
      name: "the official release",
      obtain: async (tell) => await checked(await fromReleaseArchive(cache, PROGRAM, tell)),
    },
    { name: "Debian's newest suite", obtain: async (tell) => await checked(await fromApt(cache, PROGRAM, tell)) },
    { name: "Go", obtain: async (tell) => await checked(await fromGo(cache, GO_COMMAND, tell)) },
  ];
  const found = await obtainFirst(PROGRAM, sources, progress);
  if (typeof found !== "string") throw new NoNatsServerError(found);
  return found;
}
