// Tested by tests/src/cluster/source_test.ts
// Tested by tests/src/worker/settings_test.ts
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { setTimeout as pause } from "node:timers/promises";
import { ForbiddenError } from "../connection/forbidden.ts";
import { mayChangeStreams } from "../connection/own_rights.ts";
import type { Observer } from "../connection/observer.ts";
import { ApiRefusedError, askAsMuster } from "../connection/own_requests.ts";
import { isLeaderless, isSpreading, serversOf } from "../streams/copies.ts";
import { LATER, TASKS } from "../streams/stream_needs.ts";
import { renewSource, type SourceState, sourceState } from "../streams/streams.ts";

/** Shortest time from one renewal of this process to the next, ms. The source needs a moment to be heard. */
const RENEW_MS = 5_000;
/** Time in which a source that was just given is heard, ms. The server waits up to 0.6 s before it asks LATER for messages. */
const BEGINS_MS = 2_500;
/** Most that chance adds before a leader steps down, ms. So one of many processes does it, and the others find it done. */
const SPREAD_MS = 500;

export interface SourceRenewalOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly briefJsm: JetStreamManager;
  readonly observer: Observer;
}

/**
 * Looks after the source through which TASKS gets what has fired in LATER.
 *
 * A leader of TASKS asks LATER once for its messages, and waits 30 s for the answer. Where LATER had no leader at that moment, nobody
 * answers, as after the loss of a server that led both. No delayed task comes in that time (nats-server 2.15, `srcConsumerWaitTime`).
 */
export interface SourceRenewal {
  /** Takes the newest info of TASKS, and renews the source where it has fallen silent. Returns at once. */
  note(info: StreamInfo): void;
  /** Makes TASKS look for its source at once, at most every five seconds. Throws where TASKS or LATER does not answer. */
  renew(): Promise<void>;
}

/** Whether the leader has led for long enough to have heard its source. */
function isSettled(info: StreamInfo): boolean {
  const since = serversOf(info)?.leader_since;
  if (since === undefined || info.ts === undefined) return true;
  return Date.parse(info.ts) - Date.parse(since) >= BEGINS_MS;
}

/** Makes a renewal that has seen nothing yet. */
export function createSourceRenewal({ nc, jsm, briefJsm, observer }: SourceRenewalOptions): SourceRenewal {
  let renewedAtMs = Number.NEGATIVE_INFINITY;
  /** Since when the source is unheard without a break. */
  let unheardSinceMs: number | undefined;
  let underWay: Promise<void> | undefined;

  /**
   * Lets another copy lead, which begins with the source anew. This changes no setting, so it cannot undo an operator's change that is under
   * way.
   */
  async function moveLeader(): Promise<"moved" | "not now" | "refused"> {
    await pause(Math.random() * SPREAD_MS, undefined, { ref: false });
    const info = await briefJsm.streams.info(TASKS);
    if (sourceState(info) === "heard" || isSpreading(info) || !isSettled(info)) return "not now";
    // A copy that is behind could not lead at once.
    const next = serversOf(info)?.replicas?.find(({ current, offline }) => current && offline !== true);
    if (next === undefined) return "not now";
    try {
      await askAsMuster(nc, `$JS.API.STREAM.LEADER.STEPDOWN.${TASKS}`, { placement: { preferred: next.name } });
      return "moved";
    } catch (cause) {
      // The leader that steps down may not answer any more.
      if (!(cause instanceof ApiRefusedError || cause instanceof ForbiddenError)) return "moved";
      observer.note("Cannot let another server lead TASKS; its source is taken away and given back instead", { cause });
      return "refused";
    }
  }

  async function renew(): Promise<void> {
    if (performance.now() - renewedAtMs < RENEW_MS || !(await mayChangeStreams(nc))) return;
    const info = await briefJsm.streams.info(TASKS);
    // It gets a leader of its own accord at the end.
    if (isSpreading(info) || isLeaderless(info)) return;
    // While LATER has no leader, nobody hears what TASKS asks.
    if (isLeaderless(await briefJsm.streams.info(LATER))) return;
    const how = info.config.num_replicas > 1 ? await moveLeader() : "refused";
    if (how === "not now") return;
    renewedAtMs = performance.now();
    if (how === "refused") await renewSource(jsm);
    observer.note(
      "TASKS had lost its source LATER, as after a restart of the server; it was made to look for it again",
    );
  }

  function isLost(state: SourceState): boolean {
    if (state !== "unheard") unheardSinceMs = undefined;
    if (state !== "unheard") return state === "silent";
    unheardSinceMs ??= performance.now();
    return performance.now() - unheardSinceMs >= BEGINS_MS;
  }

  return {
    renew,
    note(info) {
      if (!isLost(sourceState(info)) || underWay !== undefined) return;
      underWay = renew()
        .catch((cause: unknown) => observer.note("Cannot renew the source of TASKS yet", { cause }))
        .finally(() => {
          underWay = undefined;
        });
    },
  };
}
