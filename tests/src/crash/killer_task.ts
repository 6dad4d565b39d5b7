import { atLeastOnceFactory } from "@muster/tasks";
import { setTimeout as pause } from "node:timers/promises";

const defineTask = atLeastOnceFactory();

/** Kills the process that runs it. */
export const KillerTask = defineTask({
  name: "KillerTask",
  per: "vo",
  async execute() {
    await pause(20); // what was told of its start goes out
    process.kill(process.pid, "SIGKILL");
    await new Promise<void>(() => {});
  },
});

/** Runs in the same worker, and takes a moment. */
export const TameTask = defineTask({ name: "TameTask", per: "vo", execute: () => pause(10) });
