import { startTestNatsServer } from "@muster/local";
import test from "ava";
import { setTimeout as wait } from "node:timers/promises";
import { connectNats } from "../connection/connection.ts";
import { openBroker } from "../lease/open_broker.ts";
import { countDeadLetters } from "./dead_letters.ts";
import { pageOfDeadLetters } from "./dead_page.ts";

test("a page of letters of an age holds those that the count of that age counts, and none is read beyond them", async (t) => {
  await using server = await startTestNatsServer();
  const nc = await connectNats({ url: server.url, name: "tester" });
  t.teardown(() => nc.close());
  const broker = await openBroker(nc, { observer: { alarm() {}, note() {}, step() {} } });
  const { js } = broker;
  /** Stores letters, and returns a time between them and the next ones. */
  async function store(vo: string, count: number): Promise<Date> {
    for (let left = count; left > 0; left--) await js.publish(`dead.MyTask.${vo}`, "");
    await wait(5);
    const between = new Date();
    await wait(5);
    return between;
  }
  const empty = await pageOfDeadLetters(broker, { diedBefore: new Date(), limit: 10 });
  t.deepEqual(empty, { letters: [], next: undefined });
  const first = await store("lhcb", 4);
  const second = await store("cms", 3);
  const third = await store("lhcb", 2);
  await broker.jsm.streams.deleteMessage("DEAD", 5);

  for (const [filter, sequences] of [
    [{ diedBefore: first }, [4, 3, 2, 1]],
    [{ diedAfter: first }, [9, 8, 7, 6]],
    [{ diedAfter: first, diedBefore: second }, [7, 6]],
    [{ diedAfter: second, vo: "cms" }, []],
    [{ diedBefore: second, vo: "lhcb" }, [4, 3, 2, 1]],
    [{ diedAfter: third }, []],
    [{ diedBefore: new Date(0) }, []],
  ] as const) {
    const { letters, next } = await pageOfDeadLetters(broker, { ...filter, limit: 10 });
    t.deepEqual([letters.map(({ sequence }) => sequence), next], [sequences, undefined], JSON.stringify(filter));
    t.is(await countDeadLetters(broker, filter), sequences.length, JSON.stringify(filter));
  }
  const one = await pageOfDeadLetters(broker, { diedAfter: first, limit: 3 });
  const two = await pageOfDeadLetters(broker, { diedAfter: first, limit: 3, before: one.next });
  t.deepEqual(
    [one, two].map(({ letters }) => letters.map(({ sequence }) => sequence)),
    [[9, 8, 7], [6]],
  );
});
