import { startNatsServer } from "@muster/local";
import test from "ava";
import { startAtOf } from "../definition/prepare.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { atLeastOnceFactory } from "../definition/task.ts";
import { openBroker } from "../lease/open_broker.ts";
import { connectNats } from "../connection/connection.ts";
import { createPublisher } from "./publisher.ts";

const COUNT = 2_000;

const NumberTask = atLeastOnceFactory()({
  name: "NumberTask",
  per: "vo",
  payload: z.strictObject({ number: z.int().nonnegative() }),
  execute() {},
});

/** A publisher on a server of its own, which writes each message to the disk where it is told to. */
async function openGrid(syncInterval: "lazy" | "always") {
  const dataDir = await mkdtemp(join(tmpdir(), "muster-publish-"));
  const server = await startNatsServer({ dataDir, syncInterval });
  const nc = await connectNats({ url: server.url, name: "publisher" });
  const broker = await openBroker(nc);
  return {
    publisher: createPublisher(broker),
    waiting: async (stream: "TASKS" | "LATER") => (await broker.jsm.streams.info(stream)).state.messages,
    async [Symbol.asyncDispose]() {
      await nc.close();
      await server[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function many(count: number) {
  return Array.from({ length: count }, (_, number) => ({ vo: "lhcb", taskId: `t${number}`, payload: { number } }));
}

for (const syncInterval of ["lazy", "always"] as const) {
  test(`thousands are published in their order, and a repeat among them is told as one (sync ${syncInterval})`, async (t) => {
    await using grid = await openGrid(syncInterval);
    const one = { vo: "lhcb", taskId: "t1234", payload: { number: 1234 } };
    const { result: _, ...first } = await grid.publisher.publish(NumberTask, one);
    const published = await grid.publisher.publishMany(NumberTask, many(COUNT));
    t.deepEqual(
      published.map(({ taskId }) => taskId),
      many(COUNT).map(({ taskId }) => taskId),
    );
    const repeats = published.filter(({ duplicate }) => duplicate);
    t.deepEqual(
      repeats.map(({ taskId, stream, sequence }) => ({ taskId, stream, sequence })),
      [{ taskId: first.taskId, stream: first.stream, sequence: first.sequence }],
    );
    t.is(new Set(published.map(({ sequence }) => sequence)).size, COUNT);
    t.is(await grid.waiting("TASKS"), COUNT);
  });

  test(`a payload that is refused keeps none of the others back, and the first refusal is thrown (sync ${syncInterval})`, async (t) => {
    await using grid = await openGrid(syncInterval);
    const tasks = many(COUNT);
    for (const bad of [700, 1_500]) tasks[bad] = { vo: "lhcb", taskId: `bad${bad}`, payload: { number: -bad } };
    const refusal = await t.throwsAsync(grid.publisher.publishMany(NumberTask, tasks), { name: "PayloadRefusedError" });
    t.regex(refusal?.message ?? "", /number/);
    t.is(await grid.waiting("TASKS"), COUNT - 2);
  });
}

test("a task with a time of its own among thousands waits for it", async (t) => {
  await using grid = await openGrid("always");
  const at = new Date(Date.now() + 3_600_000);
  const tasks = many(COUNT).map((task, number) => (number === 900 ? { ...task, at } : task));
  const published = await grid.publisher.publishMany(NumberTask, tasks);
  t.is(published[900]?.stream, "LATER");
  t.is(await grid.waiting("LATER"), 1);
  t.is(await grid.waiting("TASKS"), COUNT - 1);
});

test("a start that the server would take for the past is refused, and nothing runs early", (t) => {
  t.is(startAtOf(new Date("2262-04-11T00:00:00Z")), "2262-04-11T00:00:00.000Z");
  for (const time of ["2262-04-12T00:00:00Z", "2999-01-01T00:00:00Z"]) {
    t.throws(() => startAtOf(new Date(time)), {
      instanceOf: RangeError,
      message: /until (2262|2999)-.*before 2262-04-11/,
    });
  }
  t.throws(() => startAtOf(new Date(Number.NaN)), { instanceOf: RangeError });
});
