import { createPublisher, type PublishableTask } from "@muster/tasks";
import { changeConfiguration, withVo } from "@muster/tasks/operate";
import { setTimeout as pause } from "node:timers/promises";
import { nowUs } from "./clock.ts";
import { connectMuster } from "./muster_broker.ts";
import { HeldTask, LockedTask, NoOpTask, RealtimeTask } from "./muster_tasks.ts";
import type { MusterLoad, MusterPublisherVerbs } from "./muster_verbs.ts";
import { payloadsOf } from "./payloads.ts";
import { serve } from "./serve.ts";
import { untilDrained } from "./started.ts";
import type { BenchPayload } from "./verbs.ts";

const connection = await connectMuster("bench publisher");
const publisher = createPublisher(connection.broker);
const configured = new Set<string>();
let locked = 0;

/** Configures the VOs that are missing. Without that their tasks would wait for ever. */
async function configure(vos: readonly string[] = ["vo1"]): Promise<void> {
  const added = vos.filter((vo) => !configured.has(vo));
  if (added.length === 0) return;
  await changeConfiguration(connection.broker, (now) => added.reduce((next, vo) => withVo(next, vo), now));
  for (const vo of added) configured.add(vo);
}

interface Item {
  readonly vo: string;
  readonly payload: BenchPayload;
}

/** How tasks of one kind are published. */
interface Publishing {
  one(item: Item): Promise<unknown>;
  many(items: Iterable<Item>): Promise<unknown>;
}

function publishing<Payload extends BenchPayload>(
  task: PublishableTask<Payload>,
  complete: (payload: BenchPayload) => Payload,
): Publishing {
  const optionsOf = ({ vo, payload }: Item) => ({ vo, payload: complete(payload) });
  return {
    one: (item) => publisher.publish(task, optionsOf(item)),
    many: (items) => publisher.publishMany(task, Iterator.from(items).map(optionsOf)),
  };
}

function publishingOf(load: MusterLoad): Publishing {
  switch (load.task) {
    case "HeldTask":
      return publishing(HeldTask, (payload) => ({ ...payload, holdMs: load.holdMs }));
    case "LockedTask":
      // Locks with new names, like those of the raw pairs.
      return publishing(LockedTask, (payload) => ({ ...payload, number: ++locked, locks: load.locks }));
    case "RealtimeTask":
      return publishing(RealtimeTask, (payload) => payload);
    default:
      return publishing(NoOpTask, (payload) => payload);
  }
}

serve(
  {
    async publish(load) {
      await configure(load.vos);
      const startedUs = nowUs();
      await publishingOf(load).many(payloadsOf(load));
      return { tookMs: (nowUs() - startedUs) / 1_000 };
    },
    async trickle(load) {
      await configure(load.vos);
      const { one } = publishingOf(load);
      for (const item of payloadsOf(load)) {
        await pause(load.pauseMs);
        await one({ ...item, payload: { ...item.payload, sentAtUs: nowUs() } });
      }
    },
    async arrive(load) {
      await configure(load.vos);
      const { one } = publishingOf(load);
      const [startedMs, periodMs] = [performance.now(), 1_000 / load.perS];
      const sent: Promise<unknown>[] = [];
      for (const item of payloadsOf(load)) {
        await pause(Math.max(0, startedMs + sent.length * periodMs - performance.now()));
        sent.push(one({ ...item, payload: { ...item.payload, sentAtUs: nowUs() } }));
      }
      await Promise.all(sent);
    },
    configure: ({ vos }) => configure(vos),
    async untilEmpty() {
      const waiting = async () => (await connection.broker.jsm.streams.info("TASKS")).state.messages;
      return { atUs: await untilDrained(waiting) };
    },
    async purge() {
      await connection.broker.jsm.streams.purge("TASKS");
    },
  } satisfies MusterPublisherVerbs,
  () => connection.close(),
);
