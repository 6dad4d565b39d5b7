import { changeConfiguration, createPublisher, withVo } from "@muster/tasks";
import { setTimeout as pause } from "node:timers/promises";
import { nowUs } from "./clock.ts";
import { connectMuster } from "./muster_broker.ts";
import { NoOpTask } from "./muster_tasks.ts";
import { payloadsOf } from "./payloads.ts";
import { serve } from "./serve.ts";
import { NOTE, type PublisherVerbs } from "./verbs.ts";

const connection = await connectMuster("bench publisher");
const publisher = createPublisher(connection.broker);

const configured = new Set<string>();

/** Lets VOs take part that do not yet; their tasks would wait for ever. */
async function configure(vos: readonly string[] = ["vo1"]): Promise<void> {
  const added = vos.filter((vo) => !configured.has(vo));
  if (added.length === 0) return;
  await changeConfiguration(connection.broker, (now) => added.reduce((next, vo) => withVo(next, vo), now));
  for (const vo of added) configured.add(vo);
}

serve(
  {
    async publish(load) {
      await configure(load.vos);
      const startedUs = nowUs();
      await publisher.publishMany(NoOpTask, payloadsOf(load));
      return { tookMs: (nowUs() - startedUs) / 1_000 };
    },
    async trickle({ count, pauseMs, vos = ["vo1"] }) {
      await configure(vos);
      for (let number = 0; number < count; number++) {
        await pause(pauseMs);
        const vo = vos[number % vos.length] ?? "vo1";
        await publisher.publish(NoOpTask, { vo, payload: { number, sentAtUs: nowUs(), note: NOTE } });
      }
    },
  } satisfies PublisherVerbs,
  () => connection.close(),
);
