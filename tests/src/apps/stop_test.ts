import { startTestServer } from "@muster/logic/testing";
import { connectNats, openBroker } from "@muster/tasks";
import { changeConfiguration, withVo } from "@muster/tasks/operate";
import test from "ava";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";
import { startApp } from "./app_process.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** Longest end of an app on a busy machine, ms: ten times its limit on a machine of its own. */
const AT_MOST_MS = 25_000;

for (const app of ["scheduler", "report-worker"] as const) {
  test(`a ${app} whose NATS has gone ends within 2.5 s of being told to, and with 0`, async (t) => {
    await using nats = await startTestNats();
    const nc = await connectNats({ url: nats.url, name: "stop test" });
    await changeConfiguration(await openBroker(nc), (now) => withVo(now, "lhcb"));
    await nc.close();
    await using process = await startApp(app, { natsUrl: nats.url, databaseUrl: await server.createUrl() });
    await process.line(app === "scheduler" ? /"msg":"leads"/ : /ready for tasks/);
    await nats.kill();
    await until(async () => ((await process.get("/readyz")).status === 503 ? true : undefined), "an unready app");
    const toldAt = performance.now();
    process.kill("SIGTERM");
    t.deepEqual(await process.exited, { code: 0, signal: null });
    const tookMs = performance.now() - toldAt;
    t.log(process.lines.slice(-8).join("\n"));
    t.true(tookMs < AT_MOST_MS, `${tookMs} ms`);
  });
}
