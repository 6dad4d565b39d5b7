import { openDatabase } from "@muster/ledger";
import { addCe, submitPilot, pilotTables } from "@muster/logic";
import { MyPilotTask } from "@muster/pilot-tasks";
import { createPublisher } from "@muster/tasks";
import { changeConfiguration, withVo } from "@muster/tasks/operate";
import { randomUUID } from "node:crypto";
import { nowUs } from "./clock.ts";
import { connectMuster } from "./muster_broker.ts";
import type { PilotPublisherVerbs, Submissions } from "./pilot_verbs.ts";
import { serve } from "./serve.ts";
import { untilDrained } from "./started.ts";

const VO = "vo1";
const connection = await connectMuster("bench pilot publisher");
const { broker } = connection;
const publisher = createPublisher(broker);
const database = await openDatabase({ url: process.argv[3] ?? "", poolSize: 20, tables: [pilotTables] });
let fencingToken = 0;

/** Makes one submission with the transaction of a worker: fence, submission, ledger row. */
async function submitBare(ceName: string): Promise<void> {
  const taskId = randomUUID();
  const task = { taskId, task: MyPilotTask.name, vo: VO, attempt: 1 };
  const fence = { key: `bench.${ceName}`, fencingToken: ++fencingToken, holder: taskId };
  const opened = database.ledger.open({ ...task, fences: [fence] });
  const submission = await submitPilot(await opened.transaction(), { ceName, vo: VO, taskId, random: Math.random });
  const nothing = { spawned: [], dueAt: null, errors: [], payloadHash: "" };
  const answer = await opened.commit({ ...task, ...nothing, outcome: "done", result: { ...submission } });
  if (answer.kind !== "committed") throw new Error(`Cannot measure: a bare transaction ended ${answer.kind}`);
}

async function bare({ count, ceNames }: Submissions): Promise<{ tookMs: number }> {
  const startedUs = nowUs();
  await Promise.all(
    ceNames.map(async (ceName) => {
      for (let done = 0; done < count / ceNames.length; done++) await submitBare(ceName);
    }),
  );
  return { tookMs: (nowUs() - startedUs) / 1_000 };
}

serve(
  {
    async prepare({ ceNames }) {
      await changeConfiguration(broker, (now) => withVo(now, VO));
      await database.transaction(async (transaction) => {
        for (const name of ceNames) await addCe(transaction, { name, capacity: 1_000_000, successRate: 1 });
      });
    },
    async publish({ count, ceNames }) {
      const many = Array.from({ length: count }, (_, number) => ({
        vo: VO,
        payload: { ceName: ceNames[number % ceNames.length] ?? "" },
      }));
      await publisher.publishMany(MyPilotTask, many);
    },
    async untilEmpty() {
      const waiting = async () => (await broker.jsm.streams.info("TASKS")).state.messages;
      return { atUs: await untilDrained(waiting) };
    },
    bare,
  } satisfies PilotPublisherVerbs,
  async () => {
    await database.close();
    await connection.close();
  },
);
