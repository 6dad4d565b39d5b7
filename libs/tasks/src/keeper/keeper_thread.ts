import { extname } from "node:path";
import { type MessagePort, Worker } from "node:worker_threads";
import type { FromThread, ThreadSettings, ToThread } from "./thread_messages.ts";

/** What runs in a shared thread for one user of it. */
export interface SharedPart {
  /** The way to the part. */
  readonly port: MessagePort;
  /** Settles when the part has ended: with the error that ended it, or undefined. */
  readonly ended: Promise<Error | undefined>;
}

/** A thread that an app has for other things too, such as its health. A thread of one's own costs some 8 MB. */
export interface SharedThread {
  /** Runs `serve(port, data)` of a module in the thread. */
  run(module: URL, data: object): SharedPart;
}

/** The main thread's end of the keeper's thread, or of its part of a shared one. */
export interface KeeperThread {
  post(message: ToThread): void;
  listen(listener: (message: FromThread) => void): void;
  /** Settles when it has ended: with what ended it, or undefined. */
  readonly ended: Promise<unknown>;
  /** It keeps the process alive from now on. */
  ref(): void;
  /** It no longer does. */
  unref(): void;
  /** Ends it at once. */
  end(): void;
}

/** The keeper in a thread of its own. */
export function ofWorker(worker: Worker): KeeperThread {
  const ended = new Promise((resolve) => {
    worker.once("error", resolve);
    worker.once("exit", (code) => resolve(new Error(`Cannot go on: the thread exited with code ${code}`)));
  });
  return {
    post: (message) => worker.postMessage(message),
    listen: (listener) => void worker.on("message", listener),
    ended,
    ref: () => worker.ref(),
    unref: () => worker.unref(),
    end: () => void worker.terminate(),
  };
}

/** The module `name` beside this one: `.ts` when run from source, `.js` when built. */
function beside(name: string): URL {
  return new URL(`./${name}${extname(import.meta.url)}`, import.meta.url);
}

/** Starts the keeper's part of `shared`; undefined: a thread of its own. */
export function startKeeperThread(shared: SharedThread | undefined, settings: ThreadSettings): KeeperThread {
  if (shared === undefined) {
    // The flags of the process are not for its threads. With some of them (--eval, --input-type) a thread could not even start.
    return ofWorker(new Worker(beside("thread"), { name: "muster keeper", workerData: settings, execArgv: [] }));
  }
  const { port, ended } = shared.run(beside("serve"), settings);
  return {
    post: (message) => port.postMessage(message),
    listen: (listener) => void port.on("message", listener),
    ended,
    ref: () => port.ref(),
    unref: () => port.unref(),
    end: () => port.close(),
  };
}
