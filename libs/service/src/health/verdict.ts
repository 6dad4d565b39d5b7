/** The state of the app, as the health thread was last told. */
export interface HealthState {
  readonly app: string;
  readonly checks: readonly CheckState[];
  /** Facts that /readyz shows too; they do not change its colour. */
  readonly facts?: Readonly<Record<string, readonly string[]>>;
}

/** One thing the app needs in order to work. */
export interface CheckState {
  readonly check: string;
  /** Why it is red; null: green. */
  readonly reason: string | null;
  /** Time of its last change of colour, RFC 3339. */
  readonly since: string;
}

/** Limits on the silence of the main thread's event loop, ms. */
export interface SilenceLimits {
  /** Beyond it the app is not ready, since it cannot pull. A task may hold the loop for a shorter time. */
  readonly unreadyMs: number;
  /**
   * Beyond it the app is not alive, since nothing inside can end what holds the loop. Must be longer than any task may
   * run.
   */
  readonly restartMs: number;
}

/** The answer to one request. */
export interface Verdict {
  readonly status: 200 | 503;
  readonly body: object;
}

function silenceReason(silentMs: number): string {
  return `the event loop has been held for ${Math.round(silentMs / 1_000)} s by one piece of code`;
}

/**
 * /healthz: red only where a restart helps, so that an outage of a server does not restart every worker for nothing.
 *
 * A restart helps where the event loop is held past the limit. A worker whose permits are all held by tasks that ignore
 * their abort ends by itself.
 */
export function liveness({ app }: HealthState, silentMs: number, { restartMs }: SilenceLimits): Verdict {
  const reasons: object[] = [];
  if (silentMs > restartMs) reasons.push({ check: "event loop", reason: silenceReason(silentMs) });
  return verdict(app, reasons, { eventLoopSilentMs: Math.round(silentMs), eventLoopLimitMs: restartMs });
}

/** /readyz: green while the app can do its work, else red with every reason. If /healthz is red, this is red too. */
export function readiness(
  { app, checks, facts = {} }: HealthState,
  silentMs: number,
  { unreadyMs }: SilenceLimits,
): Verdict {
  const reasons: object[] = checks.filter(({ reason }) => reason !== null);
  if (silentMs > unreadyMs) reasons.push({ check: "event loop", reason: silenceReason(silentMs) });
  return verdict(app, reasons, {
    checks: checks.map(({ check, reason, since }) => ({ check, ok: reason === null, since })),
    ...facts,
  });
}

function verdict(app: string, reasons: readonly object[], more: object): Verdict {
  const ok = reasons.length === 0;
  return { status: ok ? 200 : 503, body: { app, status: ok ? "ok" : "red", reasons, ...more } };
}
