/** An extension of a stranger whose task computes for long, inside its transaction, in a thread of its own. */
import { defineExtension, type Offers } from "@muster/app";
import type { Transaction } from "@muster/ledger";
import { type DepsInput, taskFactory } from "@muster/tasks";
import { threadId } from "node:worker_threads";
import * as z from "zod";
import { Reading, tideTables } from "../tide/tide_tables.ts";

interface ForecastDeps {
  /** Keeps a reading through the entity manager, which sends it when the run has ended. */
  keep(centimetres: number): Promise<void>;
  /** The heights that were kept, in order. */
  heights(): Promise<readonly number[]>;
  log(text: string): void;
}

/** Computes in one turn of the event loop, between the beginning of its transaction and its write. */
export const ForecastTask = taskFactory<ForecastDeps>()({
  name: "ForecastTask",
  size: "large",
  payload: z.strictObject({ busyMs: z.int() }),
  async execute({ deps, payload: { busyMs } }) {
    const before = await deps.heights();
    const endsAtMs = performance.now() + busyMs;
    while (performance.now() < endsAtMs);
    await deps.keep(before.length + 1);
    deps.log(`computed for ${busyMs} ms`);
    return { before, threadId };
  },
});

function forecastDeps({ log }: Offers) {
  return ({ transaction, taskId }: DepsInput<Transaction>): ForecastDeps => ({
    async keep(centimetres) {
      const within = await transaction();
      within.persist(within.create(Reading, { taskId, centimetres }));
    },
    async heights() {
      const readings = await (await transaction()).find(Reading, {}, { orderBy: { centimetres: "asc" } });
      return readings.map(({ centimetres }) => centimetres);
    },
    log: (text) => log(text, {}),
  });
}

export const extension = defineExtension({
  name: "forecast",
  tasks: [ForecastTask],
  deps: forecastDeps,
  tables: [tideTables],
});
