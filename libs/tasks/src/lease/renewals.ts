import { elapsedMs, type Moment, momentNow, sharedNowMs } from "./clocks.ts";
import { NumberedItems } from "../connection/numbered_items.ts";
import { LeaseState } from "./lease_state.ts";
import type { LockBucket, LockRecord } from "./lock_bucket.ts";

/** A lease to renew. It can be sent to another thread. */
export interface KeptLease {
  readonly key: string;
  readonly record: LockRecord;
  readonly ttlMs: number;
  /** The memory of its {@linkcode LeaseState}. */
  readonly shared: SharedArrayBuffer;
}

/** Part of a lease's TTL after which it is renewed, so that four renewals may be lost. It is 3 s at the default TTL of 15 s. */
const RENEW_PART = 1 / 5;
/** Time between two looks at the leases, ms. */
const TICK_MS = 100;
/** Pause after a renewal that failed, ms. During a change of leader the failure "no responders" comes at once. */
const PAUSE_MS = 300;

interface Renewal {
  /** The number by which its keeper knows it. */
  readonly id: number;
  readonly lease: KeptLease;
  readonly state: LeaseState;
  /** When the first renewal since the last answer was sent. Nobody knows whether it was stored. */
  unanswered: Moment | undefined;
  /** Why the last renewal failed. */
  failure: string | undefined;
  /** No renewal is sent before this moment of the shared monotonic clock, ms; Infinity while one is under way. */
  notBeforeMs: number;
}

/** Renews leases until they are let go of or lost, or until the end that their states name. */
export interface Renewals extends Disposable {
  keep(id: number, lease: KeptLease): void;
}

/** Begins with no leases. `onLost` is called once for each lease that was lost, with the reason as one line. */
export function openRenewals(bucket: LockBucket, onLost: (id: number, reason: string) => void): Renewals {
  const renewals = new NumberedItems<Renewal>();

  function lose(place: number, renewal: Renewal, reason: string): void {
    renewals.take(place);
    if (renewal.state.end("lost")) onLost(renewal.id, reason);
  }

  function note(renewal: Renewal, revision: number, sent: Moment): void {
    renewal.state.noteWrite(revision, sent);
    renewal.unanswered = undefined;
    renewal.failure = undefined;
  }

  /** Looks up why a renewal was refused. An earlier one whose answer was lost has moved the revision, or the lock is no longer ours. */
  async function lookUp(place: number, renewal: Renewal): Promise<void> {
    const { lease, state } = renewal;
    const found = await bucket.read(lease.key);
    if (found?.kind === "taken" && found.holder === lease.record.holder) {
      note(renewal, found.revision, renewal.unanswered ?? state.sent);
      return;
    }
    lose(
      place,
      renewal,
      found?.kind === "taken" ? `worker ${found.worker || "unknown"} holds it now` : "it has lapsed or was freed",
    );
  }

  async function renew(place: number, renewal: Renewal): Promise<void> {
    const { lease, state } = renewal;
    const sent = momentNow();
    renewal.notBeforeMs = Number.POSITIVE_INFINITY;
    try {
      const revision = await bucket.write(lease.key, {
        record: lease.record,
        ttlMs: lease.ttlMs,
        expected: state.revision,
      });
      if (revision === undefined) await lookUp(place, renewal);
      else note(renewal, revision, sent);
      renewal.notBeforeMs = 0;
    } catch (error) {
      // Both silence and a refusal, such as a lack of room, may pass. So it is tried until the deadline, which then gives the reason.
      renewal.unanswered ??= sent;
      renewal.failure = String(error);
      renewal.notBeforeMs = sharedNowMs() + PAUSE_MS;
    }
  }

  function look(place: number, renewal: Renewal, nowMs: number): void {
    const { lease, state } = renewal;
    if (!state.isHeld) {
      renewals.take(place);
    } else if (state.isSurelyPastDeadline) {
      lose(place, renewal, `its deadline has passed without a renewal (${renewal.failure ?? "no answer"})`);
    } else if (nowMs < state.renewedUntilMs) {
      // A wall clock that jumped ahead makes every renewal due. The lease is lost only if the server says so.
      if (nowMs >= renewal.notBeforeMs && elapsedMs(state.sent) >= lease.ttlMs * RENEW_PART) void renew(place, renewal);
    } else if (state.isPastDeadline) {
      lose(place, renewal, "it is not renewed beyond its task's timeout");
    }
  }

  const ticking = setInterval(() => {
    const nowMs = sharedNowMs();
    for (const [place, renewal] of renewals.entries()) look(place, renewal, nowMs);
  }, TICK_MS);

  return {
    keep(id, lease) {
      renewals.put({
        id,
        lease,
        state: new LeaseState(lease.ttlMs, lease.shared),
        unanswered: undefined,
        failure: undefined,
        notBeforeMs: 0,
      });
    },
    [Symbol.dispose]() {
      clearInterval(ticking);
    },
  };
}
