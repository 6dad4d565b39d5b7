import { AckPolicy } from "@nats-io/jetstream";
import { createInbox, nanos } from "@nats-io/nats-core";
import test from "ava";
import { joinGrid, type Party, startTestBroker } from "../locks/_grid_test.ts";
import { ownProcess } from "../presence/own_process.ts";
import { handBackOfEnded } from "./hand_back_dead.ts";

/** A process of this machine that has surely ended: no process has the start time of this one and another id. */
function endedProcess() {
  const own = ownProcess();
  return own === undefined ? undefined : { ...own, startedTicks: "0" };
}

/** Delivers a message whose run an ended process began, by the count's word.. */
async function deliver({ broker }: Party, ackWaitMs: number): Promise<void> {
  await broker.jsm.consumers.add("TASKS", {
    durable_name: "SlowTask__lhcb",
    filter_subjects: ["tasks.SlowTask.lhcb"],
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitMs),
  });
  await broker.js.publish("tasks.SlowTask.lhcb", "{}");
  const inbox = createInbox();
  const delivered = broker.nc.subscribe(inbox, { max: 1 });
  broker.nc.publish("$JS.API.CONSUMER.MSG.NEXT.TASKS.SlowTask__lhcb", '{"batch":1}', { reply: inbox });
  const { value: message } = await delivered[Symbol.asyncIterator]().next();
  const by = { worker: "dead", ack: message?.reply, process: endedProcess() };
  await broker.buckets.results.put("starts.one", JSON.stringify({ attempt: 1, unended: 1, alone: 0, by }));
}

test("what an ended process had begun is handed back, once", async (t) => {
  if (endedProcess() === undefined) return t.pass("nothing tells one machine from another here");
  await using server = await startTestBroker();
  await using party = await joinGrid(server.url);
  await deliver(party, 600_000);
  t.is(await handBackOfEnded(party.broker), 1);
  const consumer = await party.broker.js.consumers.get("TASKS", "SlowTask__lhcb");
  t.is((await consumer.next())?.info.deliveryCount, 2);
  t.is(await handBackOfEnded(party.broker), 0);
});

test("what another worker may have by now is left to it", async (t) => {
  await using server = await startTestBroker();
  await using party = await joinGrid(server.url);
  await deliver(party, 5_000);
  t.is(await handBackOfEnded(party.broker), 0);
});
