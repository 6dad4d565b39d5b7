import { setTimeout as pause } from "node:timers/promises";

const LOOK_EVERY_MS = 100;
/** Longest wait for one HTTP response, ms. */
const ANSWER_WITHIN_MS = 2_000;

/** An app did not become ready. */
export class NotReadyError extends Error {
  override readonly name = "NotReadyError";
  readonly app: string;
  constructor(app: string, reason: string, withinMs: number) {
    super(`Cannot get ${app} ready within ${withinMs / 1_000} s: ${reason}; see its log in the data folder`);
    this.app = app;
  }
}

/** Returns why the app is not ready; undefined: it is ready. */
async function whyNotReady(port: number, signal: AbortSignal): Promise<string | undefined> {
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]);
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: within });
    const body = (await answer.text()).trim();
    return answer.ok ? undefined : body || `it answers ${answer.status}`;
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return cause instanceof Error ? cause.message : String(cause);
  }
}

/** Waits until `/readyz` of the app reports that it is ready. Throws {@linkcode NotReadyError}, and the signal's reason. */
export async function untilReady(
  app: string,
  port: number,
  { withinMs, signal }: { withinMs: number; signal: AbortSignal },
): Promise<void> {
  const end = performance.now() + withinMs;
  while (true) {
    const reason = await whyNotReady(port, signal);
    if (reason === undefined) return;
    if (performance.now() > end) throw new NotReadyError(app, reason, withinMs);
    await pause(LOOK_EVERY_MS, undefined, { signal });
  }
}
