import { getHighestFence, openDatabase } from "@muster/ledger";
import { pilotTables } from "@muster/logic";
import { MyPilotTask, pilotDeps } from "@muster/pilot-tasks";
import { type RunningWorker, startWorker } from "@muster/tasks";
import { nowUs } from "./clock.ts";
import { connectMuster } from "./muster_broker.ts";
import type { PilotWorkerVerbs } from "./pilot_verbs.ts";
import { serve } from "./serve.ts";

const connection = await connectMuster("bench pilot worker");
const { broker, url } = connection;
const database = await openDatabase({ url: process.argv[3] ?? "", poolSize: 20, tables: [pilotTables] });
const depsOf = pilotDeps();
let working: RunningWorker | undefined;
let firstUs: number | undefined;

serve(
  {
    async work({ concurrency }) {
      firstUs = undefined;
      working = await startWorker({
        broker,
        nats: { url },
        app: "bench",
        tasks: [MyPilotTask],
        permits: concurrency,
        ledger: database.ledger,
        highestFence: () => database.transaction(getHighestFence),
        deps(input) {
          firstUs ??= nowUs();
          return depsOf(input);
        },
      });
    },
    async stop() {
      await working?.drain();
      return { firstUs };
    },
  } satisfies PilotWorkerVerbs,
  async () => {
    await database.close();
    await connection.close();
  },
);
