import { AckPolicy, jetstream, type JsMsg, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { serve } from "./serve.ts";
import { countStarts, untilEmpty } from "./started.ts";
import type { BenchPayload, WorkerVerbs } from "./verbs.ts";

const nc = await connect({ servers: (process.argv[2] ?? "").split(",") });
const jsm = await jetstreamManager(nc);
await jsm.consumers.add("RAW", { durable_name: "all", ack_policy: AckPolicy.Explicit, max_ack_pending: -1 });
const consumer = await jetstream(nc).consumers.get("RAW", "all");
const starts = countStarts();

/** The upper limit: it only acknowledges messages. It reads a body only where `read` does. */
function start(read: (message: JsMsg) => BenchPayload) {
  return consumer.consume({
    max_messages: 1_000,
    callback: (message) => {
      starts.note(read(message));
      message.ack();
    },
  });
}

const UNREAD: BenchPayload = { number: 0, sentAtUs: 0, note: "" };

let listening: Awaited<ReturnType<typeof start>> | undefined;

serve(
  {
    async drain({ count }) {
      const started = starts.next(count);
      const messages = await start(() => UNREAD);
      const { firstUs } = await started;
      const emptyUs = await untilEmpty(async () => (await jsm.streams.info("RAW")).state.messages === 0);
      await messages.close();
      return { tookMs: (emptyUs - firstUs) / 1_000 };
    },
    async listen() {
      starts.take();
      listening = await start((message) => message.json<BenchPayload>());
    },
    async heard() {
      await listening?.close();
      return starts.take();
    },
  } satisfies WorkerVerbs,
  () => nc.close(),
);
