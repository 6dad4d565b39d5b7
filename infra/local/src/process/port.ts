import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

/** The loopback address, the only one on which servers of this package listen. */
export const LOOPBACK = "127.0.0.1";

/** Another program listens on the port. */
export class PortTakenError extends Error {
  override readonly name = "PortTakenError";
  readonly port: number;
  /** The option with which the caller chooses another port, e.g. `--nats-port`. */
  readonly option: string;
  constructor(port: number, option: string, cause?: unknown) {
    super(
      `Cannot listen on port ${port}: another program holds it; stop that program, or choose another port with ${option}`,
      { cause },
    );
    this.port = port;
    this.option = option;
  }
}

async function listenOnce(port: number): Promise<number> {
  const probe = createServer().listen({ port, host: LOOPBACK, exclusive: true });
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address !== null ? address.port : port;
}

/**
 * The ports that are chosen from. Systems take those above for the near end of connections, so a server that is down for a moment could not
 * come back to one of those.
 */
const CHOSEN = { first: 10_000, last: 32_000 };
const TRIES = 100;

/**
 * Returns the port when no program listens on it. Until this process ends, no {@linkcode findFreePort} of any process returns it again: the
 * UDP port of the same number stays bound. So the TCP port is free for the server, also while that server is down for a moment. No claim
 * outlives its process.
 */
async function claimPort(port: number): Promise<number> {
  const claim = createSocket({ type: "udp4" });
  try {
    const bound = once(claim, "listening");
    claim.bind({ port, address: LOOPBACK, exclusive: true });
    await bound;
    await listenOnce(port);
    claim.unref();
    return port;
  } catch (cause) {
    claim.close();
    throw cause;
  }
}

/**
 * Returns a port on which no program listens, and which no other call returns to any process while this one lives. A program that chooses its
 * ports otherwise may still take it.
 */
export async function findFreePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      return await claimPort(randomInt(CHOSEN.first, CHOSEN.last + 1));
    } catch {
      // another program claims it, or listens there
    }
  }
  return await listenOnce(0);
}

/** Throws {@linkcode PortTakenError}, which names `option`, when a program listens on the port. */
export async function assertPortFree(port: number, option: string): Promise<void> {
  try {
    await listenOnce(port);
  } catch (cause) {
    throw new PortTakenError(port, option, cause);
  }
}
