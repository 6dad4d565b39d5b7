import test from "ava";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { every } from "../calendar/schedule.ts";
import { type Grid, listen, periodic, startGrid, startWorking } from "./_grid_test.ts";
import { pauseSchedule } from "./pauses.ts";
import type { SchedulerRole } from "./run_scheduler.ts";
import { scheduleTable } from "./schedule_table.ts";
import { startScheduler } from "./start_scheduler.ts";
import { setTimeout as wait } from "node:timers/promises";

/** TTL of the lead, ms: short, and long enough for a machine that stands still for three seconds. */
const TTL_MS = 5_000;
const Tick = periodic("Tick", every({ seconds: 1 }));

/** TTL of a lead that must not lapse, ms. */
const LONG_TTL_MS = 60_000;

/** A scheduler here. `leading` resolves once it leads. */
async function startHere({ broker, url }: Grid, leaderTtlMs = TTL_MS) {
  const leading = Promise.withResolvers<void>();
  const onRole = (role: SchedulerRole) => role === "leading" && leading.resolve();
  const scheduler = await startScheduler({
    broker,
    nats: { url },
    app: "here",
    tasks: [Tick],
    leaderTtlMs,
    onRole,
  });
  return { scheduler, leading: leading.promise, [Symbol.asyncDispose]: () => scheduler.stop() };
}

/** A scheduler in a process of its own, once it leads. `says` resolves with the next line that it prints. */
async function startChild({ url }: Grid) {
  const script = `${import.meta.dirname}/_scheduler_process_test.ts`;
  const child = spawn(process.execPath, [script, url, String(TTL_MS)], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  async function says(wanted: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (line: string) => line === wanted && resolve();
    lines.on("line", look);
    await promise;
    lines.off("line", look);
  }
  await says("leading");
  return {
    says,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

test("one of two leads; when it stops in order the other leads at once", async (t) => {
  await using grid = await startGrid();
  await using first = await startHere(grid, LONG_TTL_MS);
  await first.leading;
  await using second = await startHere(grid, LONG_TTL_MS);
  await wait(300);
  t.is(second.scheduler.role, "standby");
  const stoppedAt = Date.now();
  await first.scheduler.stop();
  await second.leading;
  t.true(Date.now() - stoppedAt < LONG_TTL_MS / 2);
  await t.notThrowsAsync(first.scheduler.ended);
});

test("I18: when the leader is killed a standby leads within the TTL and two seconds, and no occurrence is missed or comes twice", async (t) => {
  await using grid = await startGrid();
  using working = startWorking(grid);
  await using child = await startChild(grid);
  await using standby = await startHere(grid);
  await working.atLeast(2);
  const killedAt = Date.now();
  child.kill("SIGKILL");
  await standby.leading;
  t.true(Date.now() - killedAt < TTL_MS + 20_000, `${Date.now() - killedAt} ms`);
  const count = working.seen.length;
  await working.atLeast(count + 3);
  t.is(new Set(working.seen.map(({ taskId }) => taskId)).size, working.seen.length);
  // What came due while nobody led came as one occurrence. From then on there is one each second again.
  const [, a, b] = working.seen.slice(count);
  const apartMs = (b?.dueAt ?? 0) - (a?.dueAt ?? 0);
  t.true(apartMs > 0 && apartMs % 1_000 === 0, `${apartMs} ms`);
});

test("I18: a leader that was frozen past its lease and wakes up publishes nothing twice, and stands by", async (t) => {
  await using grid = await startGrid();
  using working = startWorking(grid);
  await using child = await startChild(grid);
  await using standby = await startHere(grid);
  await working.atLeast(1);
  child.kill("SIGSTOP");
  await standby.leading;
  await wait(300);
  const standsBy = child.says("standby");
  child.kill("SIGCONT");
  await standsBy;
  const count = working.seen.length;
  await working.atLeast(count + 3);
  t.is(standby.scheduler.role, "leading");
  t.is(new Set(working.seen.map(({ taskId }) => taskId)).size, working.seen.length);
});

test("chores run on the leader alone, again after one has failed, and end with it", async (t) => {
  await using grid = await startGrid();
  const runs = [0, 0];
  const often = Promise.withResolvers<void>();
  const chore = (number: number) => ({
    name: `chore ${number}`,
    everyMs: 50,
    async run(signal: AbortSignal) {
      signal.throwIfAborted();
      runs[number] = (runs[number] ?? 0) + 1;
      if (Math.min(...runs) > 2) often.resolve();
      if (number === 0) throw new Error("not this time");
    },
  });
  const leader = await grid.lead([], { chores: [chore(0), chore(1)] });
  await often.promise;
  await leader[Symbol.asyncDispose]();
  const [failing = 0, well = 0] = runs;
  t.true(failing > 2 && well > 2);
  t.deepEqual(leader.alarms, ["Cannot finish chore 0; it comes again"]);
  await wait(200);
  t.deepEqual(runs, [failing, well]);
});

test("a stop waits for the chore under way while the broker answers, and not for long once it is silent", async (t) => {
  await using grid = await startGrid();
  const [began, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const chore = {
    name: "publishing",
    everyMs: 60_000,
    async run() {
      began.resolve();
      await end.promise;
    },
  };
  const start = () =>
    startScheduler({ broker: grid.broker, nats: { url: grid.url }, app: "here", tasks: [Tick], chores: [chore] });
  const patient = await start();
  await began.promise;
  const stopping = patient.stop();
  t.is(await Promise.race([stopping.then(() => "stopped"), wait(1_200, "waits")]), "waits");
  end.resolve();
  await stopping;

  const [again, never] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  Object.assign(began, again);
  Object.assign(end, never);
  const hasty = await start();
  await again.promise;
  await grid.killServer();
  const toldAt = performance.now();
  await hasty.stop();
  t.true(performance.now() - toldAt < 25_000, `${performance.now() - toldAt} ms`);
  await grid.restartServer();
});

test("what the table shows is what fires", async (t) => {
  const Slow = periodic("Tick", every({ seconds: 4 })); // nothing fires between two looks
  await using grid = await startGrid({ vos: ["atlas", "lhcb", "cms"] });
  await pauseSchedule(grid.broker, { task: "Tick", vo: "cms" });
  await grid.configure((now) => ({ ...now, tasks: { Tick: { vos: { atlas: { enabled: false } } } } }));
  await grid.configuration.refresh();
  const heard = listen(grid.broker.nc);
  const table = () =>
    scheduleTable(grid.broker, { tasks: [Slow], configuration: grid.configuration.current, times: 3 });
  await using _leader = await grid.lead([Slow]);
  const [first] = await heard.atLeast(1);
  const waiting = (await table()).find(({ vo }) => vo === "lhcb");
  t.like(waiting, { task: "Tick", instance: "default", schedule: "every 4s", state: "on", isOccupied: true });
  t.is(waiting?.since?.getTime(), first?.dueAt);
  t.deepEqual(
    (await table()).map(({ vo, state }) => `${vo} ${state}`),
    ["atlas off", "lhcb on", "cms paused"],
  );
  t.deepEqual((await table()).find(({ vo }) => vo === "atlas")?.next, []);

  await grid.finish(first ?? t.fail());
  const row = (await table()).find(({ vo }) => vo === "lhcb");
  const [, second] = await heard.atLeast(2);
  t.is(row?.next[0]?.getTime(), second?.dueAt);
  t.deepEqual(
    row?.next.map((at) => at.getTime() - (second?.dueAt ?? 0)),
    [0, 4_000, 8_000],
  );
});

test("a scheduler ends by an error when its connection is closed", async (t) => {
  await using grid = await startGrid();
  const leads = Promise.withResolvers<void>();
  const chore = { name: "telling that it leads", everyMs: 60_000, run: async () => leads.resolve() };
  const leader = await grid.lead([periodic("Rare", every({ days: 40 }))], { chores: [chore] });
  const ended = t.throwsAsync(leader.ended, { message: /connection to NATS was closed/ });
  await leads.promise;
  await leader.broker.nc.close();
  await ended;
});
