import { join } from "node:path";
import { addToCache, type CachedProgram } from "./cache.ts";
import { openPrivateApt } from "./private_apt.ts";
import type { Errand } from "./source.ts";

/** Debian's newest suite. The nats-server of the stable ones is too old. */
const SUITE = "sid";

/**
 * Takes the server from Debian's newest suite. Apt checks the archive's signature. The package is unpacked, not installed.
 *
 * Throws the reason in one line where this fails.
 */
export async function fromApt({ openCache, progress, signal }: Errand, program: CachedProgram): Promise<string> {
  return await addToCache(await openCache(), program, async (scratch) => {
    const apt = await openPrivateApt({
      folder: scratch,
      suite: SUITE,
      progress: (mirror) =>
        progress(`nats-server: taking it from Debian ${SUITE} at ${mirror}, which changes nothing on this machine`),
      signal,
    });
    return join(await apt.unpack(["nats-server"]), "usr/sbin/nats-server");
  });
}
