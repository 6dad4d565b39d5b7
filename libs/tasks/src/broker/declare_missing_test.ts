import { startTestNatsServer } from "@muster/local";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { connectNats } from "../connection/connection.ts";
import { silentObserver } from "../connection/observer.ts";
import { DEAD, LATER } from "../streams/streams.ts";
import { openBareBroker } from "./broker.ts";

test("a stream that was declared again is told of also where a step after that fails", async (t) => {
  // LATER is declared before DEAD.
  const moreConfig = `authorization { timeout: 60, users: [
    { user: "ops", password: "x" }
    { user: "u", password: "x", permissions: { publish: { deny: "$JS.API.STREAM.CREATE.DEAD" } } }
  ] }\n`;
  await using server = await startTestNatsServer({ moreConfig });
  const login = { url: server.url, password: "x", name: "declare test" };
  const ops = await connectNats({ ...login, user: "ops" });
  const { jsm } = await openBareBroker(ops);
  const nc = await connectNats({ ...login, user: "u" });
  const alarms: string[] = [];
  const observer = { ...silentObserver, alarm: (text: string) => void alarms.push(text) };
  const broker = await openBareBroker(nc, { observer });
  await jsm.streams.delete(LATER);
  await jsm.streams.delete(DEAD);
  await t.throwsAsync(broker.declareMissing());
  t.deepEqual(
    alarms.filter((alarm) => alarm.startsWith(LATER)),
    ["LATER had gone and was declared again; what it held is lost"],
  );
  await nc.close();
  await ops.close();
});

test("a server that stands still for some seconds is looked for again, and what is missing is declared then", async (t) => {
  await using server = await startTestNatsServer();
  const nc = await connectNats({ url: server.url, name: "declare test" });
  const broker = await openBareBroker(nc);
  await broker.jsm.streams.delete(DEAD);
  server.kill("SIGSTOP");
  let isStopped = true;
  // The first look has its own two seconds.
  const resumed = pause(3_000).then(() => {
    server.kill("SIGCONT");
    isStopped = false;
  });
  t.deepEqual(await broker.declareMissing(), [DEAD]);
  t.false(isStopped);
  await resumed;
  await nc.close();
});
