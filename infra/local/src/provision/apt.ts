import { join } from "node:path";
import { addToCache, type CachedProgram } from "./cache.ts";
import { openPrivateApt } from "./private_apt.ts";
import type { Errand } from "./source.ts";

/** Debian's newest suite: the stable ones carry a nats-server that is too old. */
const SUITE = "sid";

/**
 * Takes the server from Debian's newest suite: apt checks the archive's signature, and the package is unpacked, not installed.
 * Throws why it cannot, in one line.
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
