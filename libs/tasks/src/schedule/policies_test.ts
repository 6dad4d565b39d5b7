import test from "ava";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { printMarker } from "../broker/marker.ts";
import { every } from "../calendar/schedule.ts";
import { assertCounts, countOn, type Grid, listen, recurring, type Seen, startGrid } from "./_grid_test.ts";
import { withScheduleSwitched } from "./change_schedule.ts";

const second = every({ seconds: 1 });

/** A marker of some time ago, as an outage leaves it. The time lies on the grid that all VOs share. */
async function leaveMarker(grid: Grid, agoMs: number): Promise<number> {
  const dueAt = Math.floor((Date.now() - agoMs) / 1_000) * 1_000;
  const text = printMarker({ dueAt, schedule: "every 1s", message: 0 });
  await grid.broker.js.publish("markers.Tick.lhcb.default", text);
  return dueAt;
}

test("I18, I19, I20: with `all` each missed occurrence comes once and in order, one at a time", async (t) => {
  await using grid = await startGrid();
  const from = await leaveMarker(grid, 5_000);
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([recurring({ name: "Tick", schedule: second, missed: "all", spread: "none" })]);
  for (let count = 1; count <= 7; count++) {
    const found = await heard.atLeast(count);
    t.is(found.at(-1)?.dueAt, from + count * 1_000);
    t.is((await countOn(grid, "tasks.>"))["tasks.Tick.lhcb"], 1);
    await grid.finish(found.at(-1) ?? t.fail());
  }
});

test("I20: with `all` the newest 100 of many missed occurrences come, and with `none` none of them", async (t) => {
  await using grid = await startGrid();
  await leaveMarker(grid, 600_000);
  const heard = listen(grid.broker.nc);
  const ledAt = Date.now();
  const leader = await grid.lead([recurring({ name: "Tick", schedule: second, missed: "all", spread: "none" })]);
  const [first] = await heard.atLeast(1);
  t.true((first?.dueAt ?? 0) >= Math.floor(ledAt / 1_000) * 1_000 - 99_000);
  t.true((first?.dueAt ?? 0) < ledAt - 60_000);
  await leader[Symbol.asyncDispose]();
  await grid.finish(first ?? t.fail());
  const startedAt = Date.now();
  await using _next = await grid.lead([recurring({ name: "Tick", schedule: second, missed: "none", spread: "none" })]);
  const [, next] = await heard.atLeast(2);
  t.true((next?.dueAt ?? 0) > startedAt - 1_000);
});

test("with `allow` the next occurrence comes while the last one waits, and all that wait go when it is switched off", async (t) => {
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([recurring({ name: "Tick", schedule: second, overlap: "allow" })]);
  const found = await heard.atLeast(3);
  t.is(new Set(found.map(({ taskId }) => taskId)).size, 3);
  t.true(((await countOn(grid, "tasks.>"))["tasks.Tick.lhcb"] ?? 0) >= 3);
  // What somebody else has published there is no occurrence, and stays.
  await grid.broker.js.publish("tasks.Tick.lhcb", "{}", { msgID: "mine" });
  await grid.configure((now) => withScheduleSwitched(now, { task: "Tick" }, "off"));
  await assertCounts(t, grid, { on: "tasks.>", are: { "tasks.Tick.lhcb": 1 } });
});

/** Ends each occurrence as it comes. */
function work(grid: Grid, heard: ReturnType<typeof listen>): Disposable {
  let ended = 0;
  const timer = setInterval(() => {
    for (const one of heard.seen.slice(ended)) {
      ended++;
      void grid.finish(one).catch(() => undefined); // the grid is closing
    }
  }, 20);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** A scheduler in a process of its own, once it leads. Its lease is short, so that the next one need not wait long. */
async function startChild({ url }: Grid, names: readonly string[]) {
  const script = `${import.meta.dirname}/_scheduler_process_test.ts`;
  const child = spawn(process.execPath, [script, url, "2000", ...names], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout })) if (line === "leading") break;
  return {
    async [Symbol.asyncDispose]() {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Asserts that each due time of one schedule came once, in order, and with `all` that none is missing. */
function assertEachOnce(t: { deepEqual(a: unknown, b: unknown, why?: string): void }, seen: readonly Seen[]): void {
  for (const [name, those] of Map.groupBy(seen, ({ of, instance }) => `${of}/${instance}`)) {
    const dueAts = those.map(({ dueAt }) => dueAt);
    const from = dueAts[0] ?? 0;
    const expected = name.startsWith("All")
      ? dueAts.map((_, index) => from + index * 1_000)
      : [...new Set(dueAts)].sort((a, b) => a - b);
    t.deepEqual(dueAts, expected, name);
  }
}

test("I18, I20: over kill -9 of the schedulers each occurrence of each instance comes once, and with `all` none is missing", async (t) => {
  await using grid = await startGrid();
  const names = ["AllTick", "OverlapTick", "Tick"];
  const instances = { other: { schedule: "every 1s" } };
  await grid.configure((now) => ({
    ...now,
    tasks: Object.fromEntries(names.map((name) => [name, { instances }])),
  }));
  const heard = listen(grid.broker.nc);
  using _working = work(grid, heard);
  const isAll = ({ of }: Seen) => of === "AllTick/lhcb";
  for (let round = 1; round <= 3; round++) {
    await using _child = await startChild(grid, names);
    // The child dies in the middle of its work, since each second is due.
    await heard.atLeast(heard.seen.filter(isAll).length + 4, isAll);
  }
  t.is(new Set(heard.seen.map(({ of, instance }) => `${of}/${instance}`)).size, 6);
  assertEachOnce(t, heard.seen);
});
