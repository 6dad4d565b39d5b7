import { atLeastOnceFactory, defineLockType } from "@muster/tasks";
import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";

const siteLock = defineLockType("limits_site");

/** Number of tasks of all VOs that may run at a time. */
export const LIMIT = 4;
/** The locks' in this test, ms. A worker that is alive loses no lease within it, also on a machine that stands still for a second. */
export const TTL_MS = 4_000;

/** A file to which all processes of the test append a line when a run begins and when it ends. */
export interface RunLog {
  readonly path: string;
}

/** Runs for `ms`, alone where it writes, and notes when it begins and ends. */
export const LimitsTask = atLeastOnceFactory<RunLog>()({
  name: "LimitsTask",
  per: "vo",
  payload: z.strictObject({ ms: z.number(), side: z.enum(["reads", "writes", "neither"]) }),
  locks: ({ side }) => [
    siteLock.concurrency("all", LIMIT),
    ...(side === "neither" ? [] : [side === "reads" ? siteLock.shared("data") : siteLock.exclusive("data")]),
  ],
  async execute({ deps: { path }, payload: { ms, side }, vo, signal }) {
    const note = (what: string) => appendFileSync(path, `${what} ${process.pid} ${vo} ${side}\n`);
    note("begins");
    try {
      await pause(ms, undefined, { signal });
    } finally {
      note("ends");
    }
  },
});
