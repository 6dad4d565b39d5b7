import { join } from "node:path";
import { OLDEST_NATS_SERVER, readNatsServerVersion } from "./nats_server_version.ts";
import { fromApt } from "./apt.ts";
import { checked, openCache } from "./cache.ts";
import { fromGo, type GoCommand } from "./go_install.ts";
import { fromReleaseArchive } from "./release_archive.ts";
import { findOnPath } from "./run.ts";
import { obtainFirst, type Progress, type Refusal, type Source } from "./source.ts";

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

async function check(binary: string): Promise<void> {
  await readNatsServerVersion(binary);
}

const PROGRAM: GoCommand = { name: "nats-server", module: "github.com/nats-io/nats-server/v2@v2.15.2", check };

function fromEnvironment(): Source[] {
  const set = process.env["NATS_SERVER"];
  return set ? [{ name: "NATS_SERVER", obtain: async () => await checked(set, PROGRAM) }] : [];
}

/**
 * Finds a nats-server that is new enough, or gets one; answers the path of its binary.
 *
 * In this order: `NATS_SERVER`, PATH, the cache, the official release, Debian's newest suite, Go. What is got is kept in the cache.
 * `progress` hears why a source could not serve, and of what takes time. Throws {@linkcode NoNatsServerError} when none can, and the
 * reason of `signal` when that aborts.
 */
export async function provisionNatsServer(progress: Progress, signal?: AbortSignal): Promise<string> {
  const errand = { cache: await openCache(), progress, signal };
  const sources: Source[] = [
    ...fromEnvironment(),
    { name: "PATH", obtain: async () => await checked(await findOnPath(PROGRAM.name), PROGRAM) },
    { name: `the cache ${errand.cache}`, obtain: async () => await checked(join(errand.cache, PROGRAM.name), PROGRAM) },
    { name: "the official release", obtain: async () => await fromReleaseArchive(errand, PROGRAM) },
    { name: "Debian's newest suite", obtain: async () => await fromApt(errand, PROGRAM) },
    { name: "Go", obtain: async () => await fromGo(errand, PROGRAM) },
  ];
  const found = await obtainFirst(PROGRAM.name, sources, errand);
  if (typeof found !== "string") throw new NoNatsServerError(found);
  return found;
}
