import { atLeastOnceFactory, cron, every, startScheduler } from "@muster/tasks";
import { changeConfiguration, withVo } from "@muster/tasks/operate";
import { connectMuster } from "./muster_broker.ts";
import { serve, type Verbs } from "./serve.ts";

export interface SchedulerVerbs extends Verbs {
  /**
   * Leads with `taskCount` tasks for each of `voCount` VOs.
   *
   * They are due in one of two ways: all at the same time, at second `atSecond` of each minute; or each of them every second, at a time of
   * its own.
   */
  lead(request: {
    readonly taskCount: number;
    readonly voCount: number;
    readonly atSecond: number | "each";
  }): Promise<void>;
}

const connection = await connectMuster("bench scheduler");
const { broker, url } = connection;
const defineTask = atLeastOnceFactory();
const stopped = new AbortController();

serve(
  {
    async lead({ taskCount, voCount, atSecond }) {
      const vos = Array.from({ length: voCount }, (_, number) => `vo${number + 1}`);
      await changeConfiguration(broker, (now) => vos.reduce((next, vo) => withVo(next, vo), now));
      const schedule = atSecond === "each" ? every({ seconds: 1 }) : cron(`${atSecond} * * * * *`);
      const tasks = Array.from({ length: taskCount }, (_, number) =>
        defineTask({ name: `Periodic${number + 1}`, per: "vo", schedule, execute() {} }),
      );
      const scheduler = await startScheduler({
        ...{ broker, nats: { url }, app: "bench", tasks, signal: stopped.signal },
      });
      scheduler.ended.catch((error: unknown) => console.error(error));
    },
  } satisfies SchedulerVerbs,
  async () => {
    stopped.abort();
    await connection.close();
  },
);
