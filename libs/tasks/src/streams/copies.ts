// Tested by tests/src/cluster/copies_test.ts
import { type ClusterInfo, JetStreamApiError, type StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";

/** Copies of each stream on a cluster, where no setting says otherwise. */
const ON_A_CLUSTER = 3;
/** JetStream's codes for more copies than there are servers: on a cluster, and on a single server. */
const TOO_FEW_SERVERS: ReadonlySet<number> = new Set([10005, 10074]);

/** How many copies each stream and bucket has at least. */
export interface CopiesWanted {
  readonly atLeast: number;
  /** `default`: on fewer servers one copy serves as well. */
  readonly by: "setting" | "default";
}

/** The number of copies that a setting states. Without one it is 3 on a cluster, and 1 on a single server. */
export function copiesWanted({ info }: Pick<NatsConnection, "info">, setting?: number): CopiesWanted {
  if (setting !== undefined) return { atLeast: setting, by: "setting" };
  return { atLeast: info?.cluster === undefined ? 1 : ON_A_CLUSTER, by: "default" };
}

/** Whether JetStream said that there are fewer servers than copies. */
export function isTooFewServers(error: unknown): boolean {
  return error instanceof JetStreamApiError && TOO_FEW_SERVERS.has(error.code);
}

/** The servers of a stream's copies, with fields that the client's type does not name. */
export interface StreamServers extends ClusterInfo {
  /** When its leader became leader, RFC 3339. */
  readonly leader_since?: string;
  /** The servers that it is being moved or spread to. Absent: it is where it must be. */
  readonly desired?: object;
}

/** The servers of a stream's copies; undefined: the server is not one of a cluster. */
export function serversOf({ cluster }: Pick<StreamInfo, "cluster">): StreamServers | undefined {
  return cluster;
}

/** Whether the number or the place of its copies is being changed. */
export function isSpreading(info: Pick<StreamInfo, "cluster">): boolean {
  return serversOf(info)?.desired !== undefined;
}

/** Whether a stream on a cluster has no leader. A server that holds a copy then tells of it what it knows. */
export function isLeaderless(info: Pick<StreamInfo, "cluster">): boolean {
  const servers = serversOf(info);
  return servers !== undefined && !servers.leader && servers.desired === undefined;
}

/** The number of copies of each stream, as a process last saw it. */
export interface CopiesSeen {
  /** 1 until the stream was seen. */
  of(stream: string): number;
  note(info: Pick<StreamInfo, "config">): void;
}

/** Makes a memory that has seen no stream yet. */
export function createCopiesSeen(): CopiesSeen {
  const seen = new Map<string, number>();
  return {
    of: (stream) => seen.get(stream) ?? 1,
    note: ({ config }) => void seen.set(config.name, config.num_replicas),
  };
}

/** A number of copies in words. */
export function describeCopies(count: number): string {
  return count === 1 ? "1 copy" : `${count} copies`;
}
