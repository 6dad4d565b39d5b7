// Tested by libs/service/src/health/health_test.ts
import { MessageChannel, type MessagePort, type Worker } from "node:worker_threads";
import type { FromThread, ToThread } from "./messages.ts";

/** What runs in the health's thread for one user of it. */
export interface ThreadPart {
  /** The way to the part. */
  readonly port: MessagePort;
  /** Settles when the part has ended: with the error that ended it, or undefined. */
  readonly ended: Promise<Error | undefined>;
}

/** The health's thread, for what else must go on while a task holds the event loop. A thread of its own would cost some 8 MB. */
export interface HealthThread {
  /** Runs `serve(port, data)` of a module there. An error that the module does not catch ends the process. */
  run(module: URL, data: object): ThreadPart;
}

/** Shares the thread of `worker`. */
export function shareThread(worker: Worker): HealthThread {
  let parts = 0;
  /** What to call when a part ends. `run` adds, and the end of the part removes. */
  const ends = new Map<number, (error: Error | undefined) => void>();
  worker.on("message", (message: FromThread) => {
    if (message.kind !== "partEnded") return;
    ends.get(message.part)?.(message.error);
    ends.delete(message.part);
  });
  return {
    run(module, data) {
      const { port1, port2 } = new MessageChannel();
      const { promise: ended, resolve } = Promise.withResolvers<Error | undefined>();
      const part = ++parts;
      ends.set(part, resolve);
      worker.postMessage({ kind: "run", part, module: module.href, port: port2, data } satisfies ToThread, [port2]);
      return { port: port1, ended };
    },
  };
}
