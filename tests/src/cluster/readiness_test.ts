import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { startApp } from "../apps/app_process.ts";
import { startTestCluster } from "../support/cluster.ts";
import { until } from "../support/until.ts";

test("an app is red without a quorum of the servers, with the reason, and green again with one", async (t) => {
  await using server = await startTestServer();
  await using cluster = await startTestCluster();
  const servers = { natsUrl: cluster.url, databaseUrl: await server.createUrl() };
  {
    await using tooMany = await startApp("report-worker", { ...servers, more: { MUSTER_REPLICAS: "5" } });
    await tooMany.line(/Cannot create LATER with 5 copies: .*start more servers, or lower MUSTER_REPLICAS/);
    t.is((await tooMany.get("/readyz")).status, 503);
  }
  await using app = await startApp("report-worker", servers);
  await app.line(/ready for tasks/);
  const isGreen = async () => ((await app.get("/readyz")).status === 200 ? true : undefined);
  await until(isGreen, "readiness");
  const [leader, follower] = [await cluster.leaderOf("TASKS"), await cluster.followerOf("TASKS")];
  await Promise.all([leader.kill(), follower.kill()]);
  const reason = async () => {
    const { status, text } = await app.get("/readyz");
    const found =
      /[A-Z, _a-z]*TASKS[A-Z, _a-z]*: no leader, so nothing can be stored there .*start the nats-servers/.exec(text);
    return status === 503 && found !== null ? found[0] : undefined;
  };
  t.log(await until(reason, "the reason"));
  await follower.start();
  await until(isGreen, "readiness again");
  t.pass();
});
