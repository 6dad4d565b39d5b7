import { atLeastOnceFactory } from "@muster/tasks";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";

const defineTask = atLeastOnceFactory();

/** Kills the process that runs it, `afterMs` from its start. */
export const KillerTask = defineTask({
  name: "KillerTask",
  per: "vo",
  payload: z.strictObject({ afterMs: z.number() }),
  async execute({ payload }) {
    await pause(payload.afterMs); // what was told of its start goes out
    process.kill(process.pid, "SIGKILL");
    await new Promise<void>(() => {});
  },
});

/** Runs in the same worker for `ms`. */
export const TameTask = defineTask({
  name: "TameTask",
  per: "vo",
  payload: z.strictObject({ ms: z.number() }),
  execute: ({ payload }) => pause(payload.ms),
});
