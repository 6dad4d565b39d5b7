/** The rows of light processes in a small form. They fail far above their targets only, and never on a time. */
import { startTestServer } from "@muster/ledger/testing";
import { makeBundle } from "@muster/bundle";
import { migrate } from "@muster/ledger";
import { pilotTables } from "@muster/logic";
import { startTestNatsServer } from "@muster/local";
import { until } from "@muster/tasks/testing";
import test from "ava";
import { startAppProcess } from "../run/app_process.ts";
import { commandCpuMs } from "../run/command_cpu.ts";
import { memoryMb } from "../../src/support/process_figures.ts";
import { ROOT } from "../servers/places.ts";

/** Most that an idle app may have, MB: a tenth above the target. */
const RESIDENT_MB = 121;

// The gate has made it.
if (!process.env["MUSTER_TEST_BUNDLE"]) await makeBundle();

test("an idle worker gives memory back until it has hardly more than 110 MB", async (t) => {
  await using server = await startTestServer();
  await using nats = await startTestNatsServer();
  const databaseUrl = await server.createEmptyUrl();
  await migrate(databaseUrl, { tables: [pilotTables] });
  await using app = await startAppProcess("submit-worker", { NATS_URL: nats.url, DATABASE_URL: databaseUrl });
  const resident = await until(async () => {
    const now = (await memoryMb(app.pid)).now;
    return now < RESIDENT_MB ? now : undefined;
  }, `less than ${RESIDENT_MB} MB`);
  t.log(`${resident.toFixed(0)} MB`);
  t.true(app.readyMs > 0);
});

test("a command that only tells the version takes a few times the CPU of an empty Node.js", async (t) => {
  const cpu = (...command: string[]) => commandCpuMs(command, { cwd: ROOT, env: {} });
  const empty: number[] = [];
  const version: number[] = [];
  for (let round = 0; round < 3; round++) {
    empty.push(await cpu(process.execPath, "-e", "0"));
    version.push(await cpu(`${ROOT}/node_modules/.bin/muster`, "--version"));
  }
  t.log({ empty, version });
  // 0.2 s beside 0.03 s; a program that loads all of it takes a second.
  t.true(Math.min(...version) < Math.max(20 * Math.min(...empty), 800), "muster --version");
});
