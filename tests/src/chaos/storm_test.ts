import { startPostgres } from "@muster/local";
import { startDurableTestServer, startTestServer } from "@muster/logic/testing";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import type { TestProcess } from "../support/child_process.ts";
import { sized } from "../support/size.ts";
import { startGrid } from "./grid.ts";
import { CAPACITIES, checkInvariants, loggedRandom, raiseStorm, VOS } from "./storm.ts";

/** A killed worker's messages come back after the ack wait of 20 s. */
const ALL_OVER_MS = 110_000;
/** An ack wait and a lease that are short, so that another worker soon has what a dead one held. The ack wait is longer than the heartbeats' 5 s. */
const ACK_WAIT_MS = 8_000;
const TTL_MS = 4_000;

test("I1, I2, I6, I10: of two workers of each kind some are killed and frozen while three VOs ask for many pilots", async (t) => {
  const random = loggedRandom(t);
  await using server = await startTestServer();
  await using grid = await startGrid(server, CAPACITIES);
  const tasks = ["MySubmitPilotsTask", "MyPilotTask", "MyCheckPilotsTask"] as const;
  for (const name of tasks) for (const vo of VOS) await grid.muster.declareConsumer(name, vo, ACK_WAIT_MS);
  const [submit, pilot, check] = tasks;
  const kinds = [[submit, pilot], [check], [submit, pilot], [check]];
  const start = (index: number) => grid.startWorker({ tasks: kinds[index] ?? [], ttlMs: TTL_MS });
  const workers: TestProcess[] = await Promise.all(kinds.map((_, index) => start(index)));
  async function trouble(): Promise<void> {
    for (const [index, worker] of workers.entries()) {
      await pause(300 + random() * 700);
      if (index === 2) {
        worker.kill("SIGSTOP");
        await pause(1_000);
        worker.kill("SIGCONT");
        continue;
      }
      worker.kill("SIGKILL");
      workers[index] = await start(index);
    }
  }
  const storm = await raiseStorm(grid, { count: sized({ small: 400, large: 2_000 }), random, trouble });
  await grid.muster.settled(ALL_OVER_MS);
  await checkInvariants(t, grid, storm);
});

test("I1, I2, I10: nats-server is killed and started again under load", async (t) => {
  const random = loggedRandom(t);
  await using server = await startTestServer();
  await using grid = await startGrid(server, CAPACITIES);
  await Promise.all([grid.startWorker(), grid.startWorker()]);
  async function trouble(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      await pause(500 + random() * 500);
      await grid.muster.nats.kill();
      await pause(300);
      await grid.muster.nats.start();
    }
  }
  const storm = await raiseStorm(grid, { count: sized({ small: 200, large: 600 }), random, trouble });
  await grid.muster.settled(ALL_OVER_MS);
  await checkInvariants(t, grid, storm);
});

test("I1, I2, I10: PostgreSQL is killed and started again under load, and no worker goes with it", async (t) => {
  const random = loggedRandom(t);
  await using server = await startDurableTestServer();
  await using grid = await startGrid(server, CAPACITIES);
  const workers = await Promise.all([grid.startWorker(), grid.startWorker()]);
  let postgres = server.postgres;
  async function trouble(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      await pause(500 + random() * 500);
      postgres.kill("SIGKILL");
      await postgres.exited;
      await pause(500);
      const { dataDir, port } = postgres;
      postgres = await startPostgres({ dataDir, port });
    }
  }
  const storm = await raiseStorm(grid, { count: sized({ small: 200, large: 600 }), random, trouble });
  await grid.muster.settled(ALL_OVER_MS);
  await checkInvariants(t, grid, storm);
  for (const worker of workers) worker.kill("SIGTERM");
  for (const worker of workers) t.deepEqual(await worker.exited, { code: 0, signal: null });
  await postgres.stop();
});
