import type { JetStreamUsageAccountLimits, StreamInfo } from "@nats-io/jetstream";
import type { Broker } from "../broker/broker.ts";
import { refusingLimits } from "../streams/stream_limits.ts";
import { STREAM_NAMES } from "../streams/stream_needs.ts";
import { LATER, readStreams, TASKS } from "../streams/streams.ts";
import { listWaiting } from "./waiting.ts";

/** How much of a limit is used. */
export interface Usage {
  /** What is limited, e.g. `the account's storage`. */
  readonly what: string;
  readonly used: number;
  readonly limit: number;
  readonly unit: "bytes" | "messages" | "consumers";
}

/** What a VO's waiting tasks take, estimated from their share of the messages. */
export interface VoShare {
  readonly vo: string;
  readonly tasks: number;
  readonly bytes: number;
}

/** How much is stored, and of which limits. */
export interface StorageUsage {
  /** The limits that the account and single streams have. */
  readonly limits: readonly Usage[];
  /** Bytes of all of Muster's streams. */
  readonly bytes: number;
  readonly largest: { readonly stream: string; readonly bytes: number };
  /** The VO whose waiting tasks take most; undefined: nothing waits. */
  readonly firstVo: VoShare | undefined;
}

function accountLimits(tier: string, { limits, storage, memory }: JetStreamUsageAccountLimits): Usage[] {
  const of = tier === "" ? "" : ` for ${tier}`;
  return [
    { what: `the account's storage${of}`, used: storage, limit: limits.max_storage, unit: "bytes" as const },
    { what: `the account's memory${of}`, used: memory, limit: limits.max_memory, unit: "bytes" as const },
  ].filter(({ limit }) => limit > 0);
}

/** The account's number of consumers is for each stream alone, whatever its name says: the server counts those of the stream. */
function consumerLimits(info: StreamInfo, accounts: readonly JetStreamUsageAccountLimits[]): Usage[] {
  const { name, max_consumers } = info.config;
  const limits = [max_consumers, ...accounts.map(({ limits }) => limits.max_consumers)].filter((limit) => limit > 0);
  if (limits.length === 0) return [];
  const used = info.state.consumer_count;
  return [{ what: `max_consumers of ${name}`, used, limit: Math.min(...limits), unit: "consumers" }];
}

function streamLimits(info: StreamInfo): Usage[] {
  return refusingLimits(info).map(({ setting, ...used }) => ({ what: `${setting} of ${info.config.name}`, ...used }));
}

async function firstVoOf(broker: Broker, infos: ReadonlyMap<string, StreamInfo>): Promise<VoShare | undefined> {
  function bytesEach(stream: string): number {
    const state = infos.get(stream)?.state;
    return state === undefined || state.messages === 0 ? 0 : state.bytes / state.messages;
  }
  const [ready, delayed] = [bytesEach(TASKS), bytesEach(LATER)];
  const shares = new Map<string, VoShare>();
  for (const waiting of await listWaiting(broker)) {
    const { tasks = 0, bytes = 0 } = shares.get(waiting.vo) ?? {};
    shares.set(waiting.vo, {
      vo: waiting.vo,
      tasks: tasks + waiting.ready + waiting.delayed,
      bytes: bytes + waiting.ready * ready + waiting.delayed * delayed,
    });
  }
  return [...shares.values()].sort((a, b) => b.bytes - a.bytes)[0];
}

/** Measures what the account and Muster's streams hold, against their limits. Takes some twelve requests. Throws when nobody answers. */
export async function measureUsage(broker: Broker): Promise<StorageUsage> {
  const { jsm } = broker;
  const found = await readStreams(jsm, STREAM_NAMES);
  const infos = new Map(found.map((info) => [info.config.name, info]));
  const { tiers, ...account } = await jsm.getAccountInfo();
  const ofTiers = Object.entries(tiers ?? {}).flatMap(([name, tier]) => (tier === undefined ? [] : [{ name, tier }]));
  const perTier = ofTiers.flatMap(({ name, tier }) => accountLimits(name, tier));
  const sizes = [...infos.values()].map(({ config, state }) => ({ stream: config.name, bytes: state.bytes }));
  return {
    limits: [
      ...[...accountLimits("", account), ...perTier, ...[...infos.values()].flatMap(streamLimits)],
      ...[...infos.values()].flatMap((info) => consumerLimits(info, [account, ...ofTiers.map(({ tier }) => tier)])),
    ],
    bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
    largest: sizes.sort((a, b) => b.bytes - a.bytes)[0] ?? { stream: TASKS, bytes: 0 },
    firstVo: await firstVoOf(broker, infos),
  };
}
