import { openDatabase } from "@muster/ledger";
import { runSql, startTestServer } from "@muster/ledger/testing";
import test from "ava";
import { join } from "node:path";
import * as z from "zod";
import { startApp } from "../apps/app_process.ts";
import { commandsOn } from "../cli/run_muster.ts";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

const FORECAST = join(import.meta.dirname, "forecast", "mod.ts");

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("the generic worker runs a large task of a stranger's extension in a thread, with its entities, dependencies and log, and shows its threads", async (t) => {
  await using opened = new AsyncDisposableStack();
  const nats = opened.use(await startTestNats());
  const databaseUrl = await server.createEmptyUrl();
  const database = opened.use(await openDatabase({ url: databaseUrl, poolSize: 2 }));
  const more = { MUSTER_EXTENSIONS: FORECAST, MUSTER_THREADS: "2" };
  const muster = commandsOn({ NATS_URL: nats.url, DATABASE_URL: databaseUrl, ...more });
  await muster.json("migrate");
  const worker = opened.use(await startApp("worker", { natsUrl: nats.url, databaseUrl, more }));
  const run = async (id: string) => {
    await muster.json("task", "publish", "ForecastTask", '{"busyMs":100}', "--id", id);
    const row = await until(() => database.ledger.recall(id), `the end of ${id}`);
    return z.object({ before: z.array(z.int()), threadId: z.int() }).parse(row.result);
  };
  const first = await run("first");
  t.deepEqual(first.before, []);
  t.true(first.threadId > 0, "in a thread");
  t.deepEqual(await run("second"), { before: [1], threadId: first.threadId }, "in the same thread, which was kept");
  await worker.line(/^\{.*"task":"ForecastTask".*"taskId":"first","attempt":1.*"msg":"computed for 100 ms"/);
  t.is((await runSql(database, "select * from tide_reading")).length, 2);
  const { text } = await worker.get("/metrics");
  t.regex(text, /^muster_worker_threads\{state="limit"\} 2$/m);
  t.regex(text, /^muster_worker_threads\{state="started"\} 1$/m);
  worker.kill("SIGTERM");
  t.deepEqual(await worker.exited, { code: 0, signal: null });
});
