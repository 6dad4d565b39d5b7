import { setTimeout as pause } from "node:timers/promises";

/** How long a test waits for what comes at once when all is well, ms: long, since the machine may be busy. */
export const PATIENCE_MS = 120_000;

/** Rejects unless `promise` settles in time; `what` then tells what was missed. */
export async function within<T>(promise: Promise<T>, what: () => string, ms = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what()} did not come within ${ms} ms`)), ms);
    timer.unref(); // a wait that lost a race must not keep the file's process from ending
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks every 10 ms until `look` returns something. For what nobody tells, such as a count in a stream. */
export async function until<T>(look: () => Promise<T | undefined>, what: string, ms = PATIENCE_MS): Promise<T> {
  const lateAtMs = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > lateAtMs) throw new Error(`${what} did not come within ${ms} ms`);
    await pause(10);
  }
}
