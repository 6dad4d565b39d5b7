/** What the app says of itself, as the health thread was last told. */
export interface HealthState {
  readonly app: string;
  readonly checks: readonly CheckState[];
  /** What /readyz says besides, whatever its colour. */
  readonly facts?: Readonly<Record<string, readonly string[]>>;
}

/** One thing the app needs in order to work. */
export interface CheckState {
  readonly check: string;
  /** Why it is red; null: green. */
  readonly reason: string | null;
  /** Since when it is as it is, RFC 3339. */
  readonly since: string;
}

/** How long the main thread's event loop may be silent. */
export interface SilenceLimits {
  /** Then the app is not ready: it cannot pull. A task may hold the loop for a while, and that alone is no reason. */
  readonly unreadyMs: number;
  /** Then it is not alive: nothing inside can end what holds the loop. Has to be longer than any task may run. */
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
 * /healthz: red only where a restart helps, so that an outage of a server does not make every worker restart for nothing.
 *
 * That is where the event loop is held past the limit. A worker that has lost its permits to tasks which ignore their abort ends by itself.
 */
export function liveness({ app }: HealthState, silentMs: number, { restartMs }: SilenceLimits): Verdict {
  const reasons: object[] = [];
  if (silentMs > restartMs) reasons.push({ check: "event loop", reason: silenceReason(silentMs) });
  return verdict(app, reasons, { eventLoopSilentMs: Math.round(silentMs), eventLoopLimitMs: restartMs });
}

/** /readyz: green while the app can do its work; otherwise every reason. Whatever makes /healthz red makes this red too. */
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
