import test from "ava";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import type { AnyTask } from "../definition/task.ts";
import { every } from "../calendar/schedule.ts";
import type { OutcomeRow } from "../definition/ledger.ts";
import { openBroker } from "../lease/open_broker.ts";
import { withoutVo } from "../configuration/configuration.ts";
import { connectNats } from "../connection/connection.ts";
import { countOn, type Grid, listen, periodic, startGrid, startWorking } from "../schedule/_grid_test.ts";
import { listIncidents } from "../broker/incidents.ts";
import { findLeaders } from "./leaders.ts";
import { startScheduler, type StartSchedulerOptions } from "../schedule/start_scheduler.ts";
import { createUnservedWatch, listUnserved } from "../sweep/unserved.ts";

/** TTL of the lead, ms: short, and long enough for a machine that stands still for three seconds. */
const TTL_MS = 5_000;
const second = every({ seconds: 1 });
const Ours = periodic("Ours", second);
const Shared = periodic("Shared", second);
const Theirs = periodic("Theirs", second);

/** A scheduler of one application, here, on a connection of its own. `leads` resolves once it leads exactly these tasks. */
async function startHere(
  { url }: Grid,
  tasks: readonly AnyTask[],
  more: Pick<StartSchedulerOptions, "chores" | "ledger"> = {},
) {
  const nc = await connectNats({ url, name: "here" });
  const alarms: string[] = [];
  const observer = { alarm: (message: string) => void alarms.push(message), note() {}, step() {} };
  const changed = new EventTarget();
  const history: string[] = [];
  const scheduler = await startScheduler({
    ...{ broker: await openBroker(nc, { observer }), nats: { url }, app: "here", tasks, leaderTtlMs: TTL_MS, ...more },
    onLead(now) {
      history.push(now.join(" "));
      changed.dispatchEvent(new Event("change"));
    },
  });
  async function leads(wanted: string): Promise<void> {
    const late = AbortSignal.timeout(60_000);
    while (history.at(-1) !== wanted) {
      late.throwIfAborted();
      await Promise.race([once(changed, "change"), wait(60_000, undefined, { ref: false })]);
    }
  }
  async function stop(): Promise<void> {
    await scheduler.stop();
    await nc.close();
  }
  return { scheduler, history, alarms, leads, stop, [Symbol.asyncDispose]: stop };
}

/** A scheduler of one application in a process of its own, once it leads `wanted`. */
async function startChild({ url }: Grid, names: readonly string[], wanted: string) {
  const script = join(import.meta.dirname, "..", "schedule", "_scheduler_process_test.ts");
  const child: ChildProcess = spawn(process.execPath, [script, url, String(TTL_MS), ...names], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.stdout === null) throw new Error("no output");
  const isLeading = Promise.withResolvers<void>();
  const exited = once(child, "exit");
  createInterface({ input: child.stdout })
    .on("line", (line) => line === `leads ${wanted}` && isLeading.resolve())
    .on("close", () => isLeading.reject(new Error(`the scheduler ended before it led ${wanted}`)));
  await isLeading.promise;
  async function kill() {
    child.kill("SIGKILL");
    await exited;
  }
  return { kill, [Symbol.asyncDispose]: kill };
}

/** Works, until disposed of, and tells of the tasks of one VO. */
function startWorkingFor(grid: Grid) {
  const working = startWorking(grid);
  return {
    ...working,
    /** Resolves once each of `tasks` has fired twice from now on. */
    async firing(...tasks: readonly AnyTask[]): Promise<void> {
      const from = Date.now();
      await Promise.all(
        tasks.map(({ name }) => working.atLeast(2, ({ of, dueAt }) => of === `${name}/lhcb` && dueAt > from)),
      );
    },
  };
}

test("two applications share one Muster: all schedules of both fire, in whatever order they start, stop and are killed", async (t) => {
  await using grid = await startGrid();
  using working = startWorkingFor(grid);
  const stranger = await startHere(grid, [Theirs]);
  await stranger.leads("Theirs");
  let ours = await startHere(grid, [Ours, Shared]);
  await ours.leads("Ours Shared");
  await working.firing(Ours, Shared, Theirs);

  await ours.stop();
  ours = await startHere(grid, [Ours, Shared]);
  await ours.leads("Ours Shared");
  await working.firing(Ours, Shared, Theirs);

  await stranger.stop();
  await using child = await startChild(grid, ["Theirs"], "Theirs");
  await working.firing(Ours, Shared, Theirs);
  await using again = await startHere(grid, [Theirs]);
  await child.kill();
  await again.leads("Theirs");
  await working.firing(Ours, Shared, Theirs);
  const twice = [...Map.groupBy(working.seen, ({ taskId }) => taskId).values()].filter(({ length }) => length > 1);
  t.deepEqual(twice, [], "none twice");
  t.deepEqual([ours.alarms, again.alarms], [[], []]);
  await ours.stop();
});

test("what a stopped or killed scheduler led alone is led by another one that knows it, and nothing else", async (t) => {
  await using grid = await startGrid();
  await using child = await startChild(grid, ["Ours", "Shared"], "Ours Shared");
  await using other = await startHere(grid, [Shared, Theirs]);
  await other.leads("Theirs");
  await child.kill();
  await other.leads("Shared Theirs");
  t.deepEqual(other.history, ["", "Theirs", "Shared Theirs"]);
  const { leaders } = await findLeaders(grid.broker);
  t.deepEqual([...leaders.keys()].sort(), ["Shared", "Theirs", "_"]);
});

test("of two versions with different schedules for one task one leads it, and its marker is set once", async (t) => {
  await using grid = await startGrid();
  using working = startWorkingFor(grid);
  await using older = await startHere(grid, [Shared]);
  await older.leads("Shared");
  await using newer = await startHere(grid, [periodic("Shared", every({ days: 40 })), Theirs]);
  await newer.leads("Theirs");
  await working.firing(Shared, Theirs);
  const marker = await grid.broker.jsm.streams.getMessage("TASKS", { last_by_subj: "markers.Shared.lhcb.default" });
  t.regex(marker?.string() ?? "", /every 1s/);
  t.deepEqual(
    [older.history, newer.history],
    [
      ["", "Shared"],
      ["", "Theirs"],
    ],
  );
});

test("a stranger's scheduler runs none of our chores, keeps none from running, and each runs once", async (t) => {
  await using grid = await startGrid();
  await using stranger = await startHere(grid, [Theirs]);
  await stranger.leads("Theirs");
  const runs: string[] = [];
  const chore = (who: string, ran: () => void) => ({
    name: "tidying",
    everyMs: 20,
    async run() {
      runs.push(who);
      ran();
    },
  });
  const [first, next] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const ours = await startHere(grid, [Ours], { chores: [chore("first", first.resolve)] });
  await first.promise;
  await using second = await startHere(grid, [Ours, Shared], { chores: [chore("next", next.resolve)] });
  await second.leads("Shared");
  await wait(300);
  t.deepEqual([...new Set(runs)], ["first"]);
  await ours.stop();
  await next.promise;
  await second.leads("Ours Shared");
});

test("a value of somebody's own under the leaders' key is replaced with an alarm that names both, and everything goes on", async (t) => {
  await using grid = await startGrid();
  using working = startWorkingFor(grid);
  await grid.broker.buckets.locks.put("scheduler.leader", "maintenance");
  t.is((await findLeaders(grid.broker)).foreign, "maintenance");
  await using scheduler = await startHere(grid, [Ours]);
  await scheduler.leads("Ours");
  await working.firing(Ours);
  t.regex(scheduler.alarms.join("\n"), /^Key scheduler\.leader of bucket locks held "maintenance".*replaced/);
  for (;;) {
    const [incident] = await listIncidents(grid.broker);
    if (incident !== undefined) {
      t.like(incident, { kind: "lead", about: "scheduler.leader", times: 1 });
      break;
    }
    await wait(20); // nobody tells of it
  }

  for (const value of ["[]", '{"leaders":[{"worker":1}]}', "null"]) {
    await grid.broker.buckets.locks.put("scheduler.leader", value);
    const written = async () => (await findLeaders(grid.broker)).leaders.has("Ours");
    for (const late = AbortSignal.timeout(60_000); !(await written()); await wait(20)) late.throwIfAborted();
  }
  await grid.broker.buckets.locks.delete("scheduler.leader");
  await working.firing(Ours);
  t.deepEqual(scheduler.history, ["", "Ours"], "it led all the time");
});

test("a session that is overwritten by hand costs its lead, and is followed by another one", async (t) => {
  await using grid = await startGrid();
  using working = startWorkingFor(grid);
  await using scheduler = await startHere(grid, [Ours]);
  await scheduler.leads("Ours");
  const { state } = await grid.broker.jsm.streams.info("KV_locks", {
    subjects_filter: "$KV.locks.scheduler.session.>",
  });
  const [session = ""] = Object.keys(state.subjects ?? {});
  await grid.broker.js.publish(session, "mine now");
  for (const late = AbortSignal.timeout(60_000); scheduler.history.length < 4; await wait(20)) late.throwIfAborted();
  t.deepEqual(scheduler.history, ["", "Ours", "", "Ours"]);
  await working.firing(Ours);
});

test("whoever leads the rest looks after what no running scheduler leads, and leaves alone what another one leads", async (t) => {
  await using grid = await startGrid();
  await using stranger = await startHere(grid, [Theirs]);
  await stranger.leads("Theirs");
  await using ours = await startHere(grid, [periodic("Ours", undefined)]);
  await ours.leads("Ours");
  // By its definition this is no VO's task; only who knows it can tell.
  await grid.broker.js.publish("tasks.Ours._", "{}");
  await grid.broker.js.publish("tasks.2bad.lhcb", "{}");
  await grid.broker.js.publish("tasks.Nobodys.lhcb", "{}");
  const left = async () =>
    Object.keys(await countOn(grid, "tasks.>"))
      .sort()
      .join();
  for (
    const late = AbortSignal.timeout(60_000);
    (await left()) !== "tasks.Nobodys.lhcb,tasks.Theirs.lhcb";
    await wait(50)
  )
    late.throwIfAborted();
  t.regex(stranger.alarms.join("\n"), /No running worker knows Nobodys/);
  t.deepEqual(ours.alarms, []);
});

test("of a task that nobody leads, what a worker may have in hand is put away by a scheduler with a ledger, though another one leads the rest", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "gone"] });
  await grid.configure((now) => withoutVo(now, "gone"));
  await using stranger = await startHere(grid, [Theirs]);
  await stranger.leads("Theirs");
  await grid.broker.js.publish("tasks.Nobodys.gone", "{}");
  const recorded = Promise.withResolvers<OutcomeRow>();
  const ledger = {
    async record(row: OutcomeRow) {
      recorded.resolve(row);
      return row;
    },
  };
  await using ours = await startHere(grid, [Ours], { ledger });
  await ours.leads("Ours");
  t.like(await recorded.promise, { task: "Nobodys", vo: "gone", outcome: "dropped" });
  const { leaders } = await findLeaders(grid.broker);
  t.is(leaders.get("_"), stranger.scheduler.name);
  t.is(leaders.get("_ledger"), ours.scheduler.name);
});

test("a schedule that no running scheduler leads is told by another one, and one that is switched off is not", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "cms"] });
  await grid.configure((now) => ({ ...now, tasks: { Shared: { enabled: false } } }));
  await grid.configuration.refresh();
  const heard = listen(grid.broker.nc);
  const gone = await startHere(grid, [Ours, Shared]);
  await heard.atLeast(2);
  await gone.stop();
  const [unserved, ...none] = await listUnserved(grid.broker, () => false);
  t.like(unserved, { task: "Ours", schedules: 2 });
  t.regex(unserved?.longest?.key ?? "", /^Ours\/(lhcb|cms)\/default$/);
  t.true((unserved?.longest?.lastAt.getTime() ?? Number.POSITIVE_INFINITY) <= Date.now());
  t.deepEqual(none, []);
  const alarms: string[] = [];
  const report = { alarm: (_about: string, message: string) => void alarms.push(message), note() {} };
  const charges = { led: new Set(["_"]), elsewhere: new Set<string>(), onChange: () => () => {} };
  const watch = createUnservedWatch({ broker: grid.broker, charges, report }, 100);
  await watch.look();
  t.deepEqual(alarms, [], "it may be on its way back");
  await wait(110);
  await watch.look();
  t.deepEqual(alarms, [
    "No running scheduler leads Ours: its 2 schedules do not fire; start a scheduler that knows it",
  ]);
  charges.elsewhere.add("Ours");
  alarms.length = 0;
  await watch.look();
  t.deepEqual(alarms, []);
});
