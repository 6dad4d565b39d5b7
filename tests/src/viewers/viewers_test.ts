import { startTestServer } from "@muster/logic/testing";
import { addCe } from "@muster/logic";
import test, { type ExecutionContext } from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { startApp } from "../apps/app_process.ts";
import { runMuster } from "../cli/run_muster.ts";
import { createTestDatabase } from "../support/database.ts";
import { startMuster } from "../support/muster.ts";
import { sized } from "../support/size.ts";
import { until } from "../support/until.ts";
import { storeDeadLetters, storeTasks, tellEvents } from "./fill.ts";
import { cpuMs, memoryMb } from "../support/process_figures.ts";
import { countAsked, watch } from "./watching.ts";

const WAITING = sized({ small: 20_000, large: 1_000_000 });
const DEAD = sized({ small: 4_000, large: 200_000 });
/** Time in which a page must open, ms. The small form runs beside other tests, so a mistake must cost much to be seen there. */
const OPENS_WITHIN_MS = sized({ small: 20_000, large: 2_000 });
/** Memory that the dashboard may hold at most, MB. */
const MEMORY_MB = sized({ small: 700, large: 400 });
/** Time for which viewers watch, ms. */
const WATCHED_MS = sized({ small: 3_000, large: 30_000 });
/** Time until viewers have their first updates, which are not what is compared, ms. */
const SETTLED_MS = sized({ small: 1_000, large: 3_000 });
/** How many times each page is opened, with a pause in which what was read for the first one grows old, ms. */
const TURNS = sized({ small: 1, large: 2 });
const PAUSE_MS = 1_600;
const VIEWERS = 50;
/**
 * What many viewers may cost at most, in times of what one costs. If each asked for itself it would be fifty times. Beside other tests a time
 * of watching may have half of its rounds.
 */
const AT_MOST_TIMES = sized({ small: 5, large: 1.5 });
/** Requests or transactions that they may cost beyond that. */
const AT_MOST_MORE = sized({ small: 100, large: 20 });
const VOS = Array.from({ length: 20 }, (_, index) => `vo${index + 1}.example.org`);

const PAGES = [
  "/",
  "/ces",
  "/queue",
  "/tasks",
  `/tasks?task=MyPilotTask&vo=${VOS[0]}`,
  "/task?id=lost-1",
  "/groups",
  "/schedules",
  "/dead",
  `/dead?task=MyPilotTask&vo=${VOS[3]}`,
  "/dead?reason=proxy",
  "/dead?reason=of+nobody",
  "/dead?age=%3C1h",
  "/dead?age=%3E1h",
  "/dead/confirm?do=drop-all&age=%3C1h",
  "/letter?sequence=77",
  "/locks",
  "/workers",
  "/configuration",
  "/audit",
  "/api/overview",
  "/api/dead?before=100",
];
const COMMANDS = [
  ["queue", "list"],
  ["queue", "list", "--json"],
  ["dead", "list"],
  ["dead", "list", "--vo", "vo4.example.org", "--limit", "100"],
  ["task", "list"],
];

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** A system with CEs, and its dashboard as a process of its own. */
async function startDashboard() {
  const opened = new AsyncDisposableStack();
  const database = opened.use(await createTestDatabase(server));
  const muster = opened.use(await startMuster({ vos: VOS }));
  await database.database.transaction((transaction) =>
    addCe(transaction, { name: "ce1.example.org", capacity: 10, successRate: 1 }),
  );
  for (const task of ["MyPilotTask", "MyCheckPilotsTask"]) {
    for (const vo of VOS) await muster.declareConsumer(task, vo, 60_000);
  }
  const env = { NATS_URL: muster.nats.url, DATABASE_URL: database.url };
  async function start() {
    const more = { MUSTER_DASHBOARD_PORT: "0", MUSTER_TOKEN: "let-me-in-0123456789" };
    const app = opened.use(await startApp("dashboard", { natsUrl: muster.nats.url, databaseUrl: database.url, more }));
    const { url } = JSON.parse(await app.line(/the dashboard is served/));
    return { pid: app.pid, url: String(url) };
  }
  return { database, muster, env, start, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** Opens a page as the first viewer, and as one who comes later. Returns the times, ms. */
async function open(t: ExecutionContext, url: string): Promise<number[]> {
  const times: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    if (turn > 0) await pause(PAUSE_MS);
    const before = performance.now();
    const response = await fetch(url);
    const { length } = await response.text();
    times.push(Math.round(performance.now() - before));
    t.is(response.status, 200, url);
    t.true(length < 2_000_000, `${url} has ${length} characters`);
  }
  return times;
}

test.serial(
  "with very many tasks that wait and very many dead letters each page opens soon, and so do the commands",
  async (t) => {
    t.timeout(sized({ small: 600_000, large: 1_800_000 }));
    await using system = await startDashboard();
    const { muster, env } = system;
    await storeTasks(muster.broker, WAITING, VOS);
    await storeDeadLetters(muster.broker, DEAD, VOS);
    const dashboard = await system.start();
    const overview = await (await fetch(`${dashboard.url}/api/overview`)).json();
    t.like(overview, { waiting: WAITING, deadLetters: DEAD });
    const slow: string[] = [];
    for (const path of PAGES) {
      const times = await open(t, dashboard.url + path);
      t.log(`${path}: ${times.join(", ")} ms`);
      if (Math.max(...times) >= OPENS_WITHIN_MS) slow.push(`${path} took ${times.join(", ")} ms`);
    }
    const memory = await memoryMb(dashboard.pid);
    t.log(`memory of the dashboard: ${memory.now.toFixed()} MB, at most ${memory.most.toFixed()} MB`);
    t.true(memory.most < MEMORY_MB, `the dashboard held ${memory.most.toFixed()} MB`);
    // It is counted behind the page, which is the same for a moment.
    const count = async () => {
      const page = await (await fetch(`${dashboard.url}/api/dead?reason=proxy`)).json();
      return (page as { readonly total: number | null }).total ?? undefined;
    };
    t.is(await until(count, "the count behind the page"), Math.floor(DEAD / 3));
    for (const args of COMMANDS) {
      const before = performance.now();
      const { code, errors } = await runMuster(args, env);
      const tookMs = Math.round(performance.now() - before);
      t.is(code, 0, errors);
      t.log(`muster ${args.join(" ")}: ${tookMs} ms`);
      if (tookMs >= OPENS_WITHIN_MS) slow.push(`muster ${args.join(" ")} took ${tookMs} ms`);
    }
    t.deepEqual(slow, []);
  },
);

test.serial(
  `${VIEWERS} viewers ask the servers no more than one does, and cost the dashboard a little more`,
  async (t) => {
    t.timeout(sized({ small: 600_000, large: 600_000 }));
    await using system = await startDashboard();
    const { muster, database } = system;
    await storeTasks(muster.broker, 2_000, VOS);
    await storeDeadLetters(muster.broker, 500, VOS);
    const dashboard = await system.start();
    const telling = setInterval(() => tellEvents(muster.broker, 20, VOS), 500);
    // It ends before the connection that it tells on.
    using _told = { [Symbol.dispose]: () => clearInterval(telling) };
    const asked = await countAsked(muster.broker, database);
    const paths = ["/", "/queue", "/dead", "/ces", "/locks"];

    async function watchAs(viewers: number) {
      const watchers = await Promise.all(
        Array.from({ length: viewers * paths.length }, (_, index) =>
          watch(dashboard.url + paths[index % paths.length]),
        ),
      );
      await pause(SETTLED_MS);
      await asked.take();
      const [before, cpuBefore] = [watchers.map((watcher) => watcher.updates()), await cpuMs(dashboard.pid)];
      await pause(WATCHED_MS);
      const isTold = () =>
        watchers.every((watcher, index) => index % paths.length > 0 || watcher.updates() > (before[index] ?? 0));
      await until(async () => isTold() || undefined, "a change for each viewer of the first page");
      const cpu = (await cpuMs(dashboard.pid)) - cpuBefore;
      const servers = await asked.take();
      const updates = watchers.map((watcher, index) => watcher.updates() - (before[index] ?? 0));
      const bytes = watchers.reduce((sum, watcher) => sum + watcher.bytes(), 0);
      for (const watcher of watchers) await watcher.leave();
      const told = `${viewers} viewers of each of ${paths.length} pages: ${cpu} ms of CPU in ${WATCHED_MS} ms`;
      t.log(
        `${told}, ${servers.requests} requests, ${servers.transactions} transactions, ${updates.reduce((a, b) => a + b)} updates, ${bytes} bytes`,
      );
      return { cpu, ...servers };
    }
    const one = await watchAs(1);
    const many = await watchAs(VIEWERS / paths.length);
    const fifty = await watchAs(VIEWERS);
    for (const { requests, transactions, cpu } of [many, fifty]) {
      const most = (ofOne: number) => AT_MOST_TIMES * ofOne + AT_MOST_MORE;
      t.true(requests <= most(one.requests), `${requests} requests, and ${one.requests} for one viewer`);
      t.true(transactions <= most(one.transactions), `${transactions} transactions, and ${one.transactions} for one`);
      t.true(cpu <= 5 * one.cpu + 500, `${cpu} ms of CPU, and ${one.cpu} ms for one viewer`);
    }
    const memory = await memoryMb(dashboard.pid);
    t.log(`memory of the dashboard: ${memory.now.toFixed()} MB, at most ${memory.most.toFixed()} MB`);
    asked.end();
  },
);
