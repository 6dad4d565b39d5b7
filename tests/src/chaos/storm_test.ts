import { startPostgres } from "@muster/local";
import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import type { TestProcess } from "../support/child_process.ts";
import { startGrid } from "./grid.ts";
import { CAPACITIES, checkInvariants, loggedRandom, raiseStorm } from "./storm.ts";

/** A killed worker's messages come back after the ack wait of 20 s. */
const ALL_OVER_MS = 60_000;

test("I1, I2, I6, I10: workers are killed and frozen at random while thousands of pilots are asked for", async (t) => {
  const random = loggedRandom(t);
  await using server = await startTestServer("full");
  await using grid = await startGrid(server, CAPACITIES);
  const workers: TestProcess[] = [await grid.startWorker(), await grid.startWorker()];
  async function trouble(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      await pause(300 + random() * 700);
      const victim = workers[round % 2];
      if (round === 2) {
        victim?.kill("SIGSTOP");
        await pause(1_000);
        victim?.kill("SIGCONT");
        continue;
      }
      victim?.kill("SIGKILL");
      workers[round % 2] = await grid.startWorker();
    }
  }
  const storm = await raiseStorm(grid, { count: 2_000, random, trouble });
  await grid.muster.settled(ALL_OVER_MS);
  await checkInvariants(t, grid, storm);
});

test("I1, I2, I10: nats-server is killed and started again under load", async (t) => {
  const random = loggedRandom(t);
  await using server = await startTestServer("full");
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
  const storm = await raiseStorm(grid, { count: 600, random, trouble });
  await grid.muster.settled(ALL_OVER_MS);
  await checkInvariants(t, grid, storm);
});

test("I1, I2, I10: PostgreSQL is killed and started again under load, and no worker goes with it", async (t) => {
  const random = loggedRandom(t);
  await using server = await startTestServer("full");
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
  const storm = await raiseStorm(grid, { count: 600, random, trouble });
  await grid.muster.settled(ALL_OVER_MS);
  await checkInvariants(t, grid, storm);
  for (const worker of workers) worker.kill("SIGTERM");
  for (const worker of workers) t.deepEqual(await worker.exited, { code: 0, signal: null });
  await postgres.stop();
});
