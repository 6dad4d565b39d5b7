import { Reading } from "../extension/tide/tide_tables.ts";
import type { Transaction } from "@muster/ledger";
import { defineLockType, type DepsInput, noRetry, taskFactory } from "@muster/tasks";
import * as z from "zod";
import { hog } from "./tasks.ts";

/** What the tasks of this file may call. */
interface ThreadDeps {
  transaction(): Promise<Transaction>;
}

const defineTask = taskFactory<ThreadDeps>();
const siteLock = defineLockType("thread_test_database_site");

/** What is made in the thread. */
export function threadDeps({ transaction }: DepsInput<Transaction>): ThreadDeps {
  return { transaction };
}

/** Computes for long inside its transaction, and writes through the entity manager, which sends it when the run has ended. */
export const BusyTask = defineTask({
  name: "BusyTask",
  per: "vo",
  size: "medium",
  payload: z.strictObject({ busyMs: z.int(), write: z.enum(["once", "twice", "wrong"]) }),
  retry: noRetry(),
  locks: () => [siteLock.mutex("busy")],
  async execute({ deps, taskId, payload: { busyMs, write } }) {
    const within = await deps.transaction();
    const before = await within.find(Reading, {});
    hog(busyMs);
    within.persist(within.create(Reading, { taskId, centimetres: before.length }));
    if (write === "twice") await within.insert(Reading, { taskId, centimetres: 0 });
    if (write === "wrong") await within.execute("select 1 / 0");
    const [bytes] = await within.execute<[{ bytes: Buffer; at: Date; many: number[] }]>(
      "select '\\x0102'::bytea as bytes, to_timestamp(0) as at, array[1, 2] as many where ?::text is not null",
      [taskId],
    );
    return { found: before.length, isBuffer: Buffer.isBuffer(bytes.bytes), at: bytes.at, many: bytes.many };
  },
});

/** Ignores its signal while a statement of an hour runs. */
export const StuckTask = defineTask({
  name: "StuckTask",
  per: "vo",
  size: "medium",
  timeoutMs: 2_000,
  retry: noRetry(),
  locks: () => [siteLock.mutex("stuck")],
  async execute({ deps, taskId }) {
    const within = await deps.transaction();
    await within.insert(Reading, { taskId, centimetres: 0 });
    await within.execute("select pg_sleep(3600)");
  },
});

/** All of them. */
export const databaseTasks = [BusyTask, StuckTask];
