import { DiscardPolicy, type StreamInfo } from "@nats-io/jetstream";

/** How much of one limit of a stream is used. */
export interface StreamLimit {
  /** The setting's name in the stream's configuration. */
  readonly setting: "max_bytes" | "max_msgs";
  readonly used: number;
  readonly limit: number;
  readonly unit: "bytes" | "messages";
}

/** Limits at which a stream refuses what is new. A stream that deletes what is old, like EVENTS, has none: it is full as a rule. */
export function refusingLimits({ config, state }: Pick<StreamInfo, "config" | "state">): readonly StreamLimit[] {
  if (config.discard !== DiscardPolicy.New) return [];
  const limits: readonly StreamLimit[] = [
    { setting: "max_bytes", used: state.bytes, limit: config.max_bytes, unit: "bytes" },
    { setting: "max_msgs", used: state.messages, limit: config.max_msgs, unit: "messages" },
  ];
  return limits.filter(({ limit }) => limit > 0);
}
