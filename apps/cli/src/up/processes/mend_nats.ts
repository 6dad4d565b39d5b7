import type { Broker } from "@muster/tasks";
import { watchOtherStores, watchStorage } from "@muster/tasks/operate";
import { statfs } from "node:fs/promises";

/** Smallest free space for a restart, bytes. With less the write error would soon return. */
const ROOM_BYTES = 16 * 1024 * 1024;
/** Shortest time between two restarts, ms. If one restart has not helped, an early second one will not help either. */
const AGAIN_MS = 60_000;
/** Time between two looks at the streams and the disk, ms. */
const LOOK_MS = 2_000;

export interface MendOptions {
  readonly broker: Broker;
  /** The folder of the server's streams. */
  readonly dataDir: string;
  /** Ends the server. Its keeper then starts it again. */
  restart(): Promise<void>;
  tell(line: string): void;
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/**
 * Restarts our nats-server when its streams keep a write error, as after a full disk. Only a restart clears that error.
 *
 * It first waits for free space on the disk, and says so. It works until it is disposed of.
 */
export function mendNats({ broker, dataDir, restart, tell }: MendOptions): AsyncDisposable {
  const watching = new DisposableStack();
  watching.use(watchStorage(broker));
  watching.use(watchOtherStores(broker));
  let restartedAtMs = Number.NEGATIVE_INFINITY;
  let isTold = false;
  let mending: Promise<void> | undefined;

  async function mend(streams: string): Promise<void> {
    const free = await freeBytes(dataDir);
    if (free < ROOM_BYTES) {
      if (!isTold) tell(`nats-server cannot write ${streams}, and its disk is full: make room in ${dataDir}`);
      isTold = true;
      return;
    }
    isTold = false;
    restartedAtMs = performance.now();
    tell(`nats-server cannot write ${streams}, and keeps that error though there is room now: restarting it`);
    await restart();
  }

  const timer = setInterval(() => {
    const streams = broker.storage.brokenStreams().join(", ");
    if (streams === "" || mending !== undefined || performance.now() - restartedAtMs < AGAIN_MS) return;
    mending = mend(streams)
      .catch((error: unknown) => tell(`Cannot restart nats-server: ${String(error)}`))
      .finally(() => {
        mending = undefined;
      });
  }, LOOK_MS).unref();

  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      watching.dispose();
      await mending;
    },
  };
}
