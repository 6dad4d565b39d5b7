import { JetStreamApiError, type JetStreamManager, jetstreamManager, type StreamInfo } from "@nats-io/jetstream";
import { type NatsConnection, TimeoutError } from "@nats-io/nats-core";
import { openJetStream } from "../connection/jetstream_off.ts";
import { isLeaderless, serversOf } from "./copies.ts";
import type { Difference } from "./settings_check.ts";
import { neededStreams, type StreamNeed, type Topology, topologyOf } from "./stream_needs.ts";
import { inspectSettings, isStreamGone, NO_LEADER, requireOurs } from "./streams.ts";

/** A copy of a stream that another server than the leader holds. */
export interface StreamCopy {
  /** Name of the server. */
  readonly server: string;
  /** `behind`: it has not caught up with the leader. `away`: its server does not run, or cannot be reached. */
  readonly state: "current" | "behind" | "away";
  /** Operations that it lacks. */
  readonly lag: number;
}

/** The copies of a stream on a cluster. */
export interface StreamCopies {
  /** How many it is set to have. */
  readonly number: number;
  /** Those beside the leader's. */
  readonly others: readonly StreamCopy[];
}

/** A stream, or the stream of a bucket, as an operator sees it. */
export interface StreamState {
  readonly name: string;
  /** `no leader`: too few of its servers run, and nothing else is known of it. */
  readonly state: "there" | "missing" | "no leader";
  /** Later than the others': the stream was deleted and declared again. Undefined: it is not `there`. */
  readonly createdAt: Date | undefined;
  readonly messages: number;
  readonly bytes: number;
  /** Settings that Muster needs otherwise. */
  readonly differences: readonly Difference[];
  /** Undefined on a single server. */
  readonly copies: StreamCopies | undefined;
}

function copiesOf(info: StreamInfo): StreamCopies | undefined {
  const servers = serversOf(info);
  if (servers === undefined) return undefined;
  const others = (servers.replicas ?? []).map(({ name, current, offline, lag = 0 }): StreamCopy => {
    const state = current ? "current" : "behind";
    return { server: name, state: offline === true ? "away" : state, lag };
  });
  return { number: info.config.num_replicas, others };
}

/** Whether nobody can answer for a stream though JetStream runs. */
function hasNoLeader(error: unknown): boolean {
  return error instanceof TimeoutError || (error instanceof JetStreamApiError && error.code === NO_LEADER);
}

const UNKNOWN = { createdAt: undefined, messages: 0, bytes: 0, differences: [], copies: undefined } as const;

/** Opens JetStream. Without a quorum a cluster refuses even the first question, or does not answer it. */
async function openAnyhow(nc: NatsConnection, { servers }: Topology): Promise<JetStreamManager> {
  try {
    return await openJetStream(nc);
  } catch (error) {
    if (servers === "single" || !hasNoLeader(error)) throw error;
    return await jetstreamManager(nc, { checkAPI: false });
  }
}

/** Looks at all streams that Muster needs, and declares none. Throws when JetStream does not answer, and `ForeignStreamError`. */
export async function inspectStreams(nc: NatsConnection): Promise<readonly StreamState[]> {
  const topology = topologyOf(nc);
  const jsm = await openAnyhow(nc, topology);

  async function inspect(need: StreamNeed): Promise<StreamState> {
    const { name } = need;
    try {
      const info = await jsm.streams.info(name);
      if (isLeaderless(info)) return { name, state: "no leader", ...UNKNOWN };
      const { created, state, config } = info;
      requireOurs(need, config);
      const known = { createdAt: new Date(created), messages: state.messages, bytes: state.bytes };
      return { name, state: "there", ...known, differences: inspectSettings(need, config), copies: copiesOf(info) };
    } catch (error) {
      if (isStreamGone(error)) return { name, state: "missing", ...UNKNOWN };
      if (topology.servers === "cluster" && hasNoLeader(error)) return { name, state: "no leader", ...UNKNOWN };
      throw error;
    }
  }

  return await Promise.all(neededStreams(topology).map(inspect));
}
