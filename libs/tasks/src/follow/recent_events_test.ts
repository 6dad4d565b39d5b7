import { startTestNatsServer } from "@muster/local";
import test from "ava";
import { connectNats } from "../connection/connection.ts";
import { openBroker } from "../lease/open_broker.ts";
import { recentEvents, type RecentMessage } from "./recent_events.ts";

test("the newest events are read once, oldest first, and no more than wanted; it is told since when none is missing", async (t) => {
  await using server = await startTestNatsServer();
  const nc = await connectNats({ url: server.url, name: "tester" });
  const broker = await openBroker(nc, { observer: { alarm() {}, note() {}, step() {} } });
  const read = async (limit: number, since = new Date(Date.now() - 60_000), limitBytes = 1_000_000) => {
    const heard: RecentMessage[] = [];
    const recent = await recentEvents(broker, { since, limit, limitBytes });
    await broker.js.publish("events.MyTask.lhcb.done", "later");
    const { completeSince } = await recent.read((message) => void heard.push(message));
    return { texts: heard.map(({ data }) => new TextDecoder().decode(data)), heard, completeSince };
  };
  t.deepEqual((await read(10)).texts, []);
  for (let number = 1; number <= 7; number++) await broker.js.publish("events.MyTask.lhcb.started", String(number));
  const all = await read(100);
  t.deepEqual(all.texts, ["later", "1", "2", "3", "4", "5", "6", "7"], "what came after it was asked for is not read");
  t.is(all.heard[0]?.atMs, all.completeSince.getTime(), "nothing is known of the time before the oldest one");
  const cut = await read(3);
  t.deepEqual(cut.texts, ["6", "7", "later"]);
  t.is(cut.heard[0]?.atMs, cut.completeSince.getTime());
  t.true(Math.abs(Date.now() - cut.completeSince.getTime()) < 60_000);
  const { messages, bytes } = (await broker.jsm.streams.info("EVENTS")).state;
  t.deepEqual((await read(100, undefined, (1.5 * bytes) / messages)).texts, ["later", "later"], "its size counts too");
  const now = new Date();
  t.deepEqual((await read(10, now)).completeSince, now, "the stream is older, so nothing is missing since then");
  await broker.jsm.streams.purge("EVENTS");
  t.deepEqual((await read(10)).texts, []);
  await nc.close();
});
