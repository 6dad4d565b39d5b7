/** An extension as a stranger writes one: it knows Muster's tasks, ledger and app, and no pilot. */
import { type ChoreContext, defineExtension, type Offers } from "@muster/app";
import type { Transaction } from "@muster/ledger";
import { type DepsInput, defineLockType, every, type Middleware, taskFactory } from "@muster/tasks";
import { type TideDb, tideTables } from "./tide_tables.ts";

interface TideDeps {
  /** Writes down what the gauge shows. Returns how many readings there are now. */
  keepReading(centimetres: number): Promise<number>;
}

const gaugeLock = defineLockType("tide_gauge");

/** Reads the gauge every second. */
export const ReadTideTask = taskFactory<TideDeps>()({
  name: "ReadTideTask",
  size: "small",
  schedule: every({ seconds: 1 }),
  locks: () => [gaugeLock.mutex("harbour")],
  execute: async ({ deps }) => ({ readings: await deps.keepReading(412) }),
});

function tideDeps({ log }: Offers) {
  return ({ transaction, taskId }: DepsInput<Transaction>): TideDeps => ({
    async keepReading(centimetres) {
      const db = (await transaction()).getKysely<TideDb>();
      await db.insertInto("tide_reading").values({ task_id: taskId, centimetres }).execute();
      const { readings } = await db
        .selectFrom("tide_reading")
        .select(({ fn }) => fn.countAll<string>().as("readings"))
        .executeTakeFirstOrThrow();
      log("read the tide", { centimetres });
      return Number(readings);
    },
  });
}

/** Tells how many readings there are, once for each scheduler that leads. */
async function tellReadings({ database, log }: ChoreContext): Promise<void> {
  const { length } = await database.transaction((within) =>
    within.getKysely<TideDb>().selectFrom("tide_reading").select("task_id").execute(),
  );
  log.info({ readings: length }, "readings of the tide");
}

/** Tells of each run in this process, of all extensions, where `TIDE_WATCH` is set, and through which process it was published. */
const tideWatch: Middleware = {
  name: "tide watch",
  async publish({ headers }, next) {
    headers["X-Tide"] = process.env["TIDE_WATCH"] ?? "unwatched";
    await next();
  },
  async run({ task, taskId, headers }, next) {
    if (process.env["TIDE_WATCH"] !== undefined) console.log(`watches ${task} as ${taskId} from ${headers["X-Tide"]}`);
    await next();
  },
};

export const extension = defineExtension({
  name: "tide",
  tasks: [ReadTideTask],
  lockTypes: [gaugeLock],
  deps: tideDeps,
  tables: [tideTables],
  middleware: [tideWatch],
  chores: (context) => [{ name: "telling readings", everyMs: 60_000, run: () => tellReadings(context) }],
});
