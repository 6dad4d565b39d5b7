import { performance } from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Time between two looks, ms. */
const LOOK_EVERY_MS = 5_000;
/** Largest part of that time in which an idle process works. */
const IDLE_SHARE = 0.1;
/** Growth of the heap since it was last collected that is worth a collection, bytes. */
const WORTH_BYTES = 8 * 1024 * 1024;

/** What is looked at. Functions, so that a test can say what they return. */
export interface Tidiness {
  /** Part of the time since the last call in which the event loop was busy, 0 to 1. */
  busyShare(): number;
  /** Memory that the heap holds, bytes. */
  heapBytes(): number;
  /** Collects all garbage, and gives its memory back to the system. */
  collect(): void;
}

/** Makes the look that a timer takes: it collects where the process is idle and its heap has grown. */
export function createLook({ busyShare, heapBytes, collect }: Tidiness): () => void {
  let keptBytes = 0;
  return () => {
    if (busyShare() > IDLE_SHARE || heapBytes() - keptBytes < WORTH_BYTES) return;
    collect();
    keptBytes = heapBytes();
  };
}

function findCollector(): () => void {
  // V8 shows its collector to a context that is made while this flag is on.
  setFlagsFromString("--expose-gc");
  const collector: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  if (typeof collector !== "function") return () => {};
  // The plain collection keeps the room for new objects, which is most of what a start leaves behind.
  return () => void collector({ type: "major", execution: "sync", flavor: "last-resort" });
}

/** What the present thread has and does. */
export function ownTidiness(): Tidiness {
  let before = performance.eventLoopUtilization();
  let collector: (() => void) | undefined;
  return {
    busyShare() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      return utilization;
    },
    heapBytes: () => getHeapStatistics().total_heap_size,
    collect() {
      collector ??= findCollector();
      collector();
    },
  };
}

/**
 * Gives memory back while the process is idle, until disposed of.
 *
 * V8 collects when much is allocated. So an idle process would keep what its start and its busiest hour have left behind: some 12 of 130 MB.
 */
export function tidyWhileIdle(): Disposable {
  const timer = setInterval(createLook(ownTidiness()), LOOK_EVERY_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
