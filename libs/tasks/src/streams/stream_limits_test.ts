import { DiscardPolicy, type StreamInfo } from "@nats-io/jetstream";
import test from "ava";
import { refusingLimits } from "./stream_limits.ts";

function stream(limits: Pick<StreamInfo["config"], "discard" | "max_bytes" | "max_msgs">) {
  return { config: limits, state: { bytes: 5, messages: 2 } } as Pick<StreamInfo, "config" | "state">;
}

test("a stream's limits are those at which it refuses what is new, and none where it deletes what is old", (t) => {
  t.deepEqual(refusingLimits(stream({ discard: DiscardPolicy.New, max_bytes: 10, max_msgs: 3 })), [
    { setting: "max_bytes", used: 5, limit: 10, unit: "bytes" },
    { setting: "max_msgs", used: 2, limit: 3, unit: "messages" },
  ]);
  t.deepEqual(refusingLimits(stream({ discard: DiscardPolicy.New, max_bytes: -1, max_msgs: -1 })), []);
  t.deepEqual(refusingLimits(stream({ discard: DiscardPolicy.Old, max_bytes: 10, max_msgs: 3 })), []);
});
