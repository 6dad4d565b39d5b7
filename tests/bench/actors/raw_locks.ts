import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";
import { nowUs } from "./clock.ts";
import { serve, type Verbs } from "./serve.ts";

export interface RawLocksVerbs extends Verbs {
  /** Creates a key with a TTL and purges it, `count` times, each request awaited. */
  pairs(request: { readonly count: number }): Promise<{ readonly tookMs: number }>;
}

const nc = await connect({ servers: process.argv[2] ?? "" });
const bucket = await new Kvm(nc).create("raw_locks", { markerTTL: 60_000, allow_direct: false });
let made = 0;

serve(
  {
    async pairs({ count }) {
      const startedUs = nowUs();
      for (let done = 0; done < count; done++) {
        const key = `lock.${++made}`;
        const previousSeq = await bucket.create(key, "held", "15s");
        await bucket.purge(key, { previousSeq, ttl: "1s" });
      }
      return { tookMs: (nowUs() - startedUs) / 1_000 };
    },
  } satisfies RawLocksVerbs,
  () => nc.close(),
);
