import { randomInt } from "node:crypto";
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

/** Returns a port on which no program listens now. Another program may take it before you do, so be ready to ask again. */
export async function findFreePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = randomInt(CHOSEN.first, CHOSEN.last + 1);
    try {
      return await listenOnce(port);
    } catch {
      // another program listens there
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
