import { DiscardPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { setTimeout as pause } from "node:timers/promises";
import { nowUs } from "./clock.ts";
import { payloadsOf } from "./payloads.ts";
import { serve } from "./serve.ts";
import { NOTE, type PublisherVerbs } from "./verbs.ts";

const IN_FLIGHT = 500;
const nc = await connect({ servers: (process.argv[2] ?? "").split(",") });
const js = jetstream(nc);
await (await jetstreamManager(nc)).streams.add({
  name: "RAW",
  subjects: ["raw.>"],
  retention: RetentionPolicy.Workqueue,
  discard: DiscardPolicy.New,
  storage: StorageType.File,
  num_replicas: Number(process.argv[3] ?? 1),
});

serve(
  {
    async publish(load) {
      const startedUs = nowUs();
      const payloads = payloadsOf(load);
      await Promise.all(
        Array.from({ length: IN_FLIGHT }, async () => {
          for (const { vo, payload } of payloads) await js.publish(`raw.${vo}`, JSON.stringify(payload));
        }),
      );
      return { tookMs: (nowUs() - startedUs) / 1_000 };
    },
    async trickle({ count, pauseMs, vos: [vo = "vo1"] = [] }) {
      for (let number = 0; number < count; number++) {
        await pause(pauseMs);
        await js.publish(`raw.${vo}`, JSON.stringify({ number, sentAtUs: nowUs(), note: NOTE }));
      }
    },
  } satisfies PublisherVerbs,
  () => nc.close(),
);
