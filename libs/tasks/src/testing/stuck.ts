// Tested by libs/tasks/src/testing/test_system_test.ts
import type { Broker } from "../broker/broker.ts";
import { readConfiguration } from "../configuration/stored_configuration.ts";
import type { PublishableTask } from "../definition/publishable.ts";
import { NO_VO } from "../format/names.ts";
import type { Publisher } from "../publish/publisher.ts";

/** A task that a test has published. */
interface Sent {
  readonly task: string;
  readonly vo: string;
}

/** The publisher of a test, and what it knows of a task that cannot run. */
export interface RememberingPublisher extends Pick<Publisher, "publish" | "publishMany"> {
  /**
   * Why a task that was published here cannot run, with the way out: no worker has it, or its VO was never configured. Undefined where it can,
   * where no worker was started yet, and where it was not published here. `known` names the tasks of all workers.
   */
  whyStuck(taskId: string, known: ReadonlySet<string>): Promise<string | undefined>;
}

/** Publishes through `publisher`, and remembers which task went to which VO. */
export function rememberPublished(
  broker: Broker,
  publisher: Pick<Publisher, "publish" | "publishMany">,
): RememberingPublisher {
  const sent = new Map<string, Sent>();

  function remember(task: PublishableTask, taskId: string, vo = NO_VO): void {
    sent.set(taskId, { task: task.name, vo });
  }

  return {
    async publish(task, ...options) {
      const published = await publisher.publish(task, ...options);
      remember(task, published.taskId, options[0]?.vo);
      return published;
    },
    async publishMany(task, many) {
      const options = [...many];
      const published = await publisher.publishMany(task, options);
      for (const [at, { taskId }] of published.entries()) remember(task, taskId, options[at]?.vo);
      return published;
    },
    async whyStuck(taskId, known) {
      const found = sent.get(taskId);
      if (found === undefined || known.size === 0) return undefined;
      const { task, vo } = found;
      if (!known.has(task)) {
        return `no worker of this test has ${task}, only ${[...known].join(", ")}; give it to the tasks of startTestSystem or startWorker`;
      }
      if (vo === NO_VO) return undefined;
      const { vos } = await readConfiguration(broker);
      if (vos[vo] !== undefined) return undefined;
      const there = Object.keys(vos).length === 0 ? "no VO" : `only ${Object.keys(vos).join(", ")}`;
      return `VO ${vo} of ${task} is not configured in this test, which has ${there}; give it to the vos of startTestSystem`;
    },
  };
}
