import { makeBundle } from "@muster/bundle";
import { migrate } from "@muster/ledger";
import { pilotTables } from "@muster/logic";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import type { RowReport } from "../report/report.ts";
import { median } from "../report/statistics.ts";
import { startAppProcess } from "../run/app_process.ts";
import type { Bench } from "../run/bench.ts";
import { commandCpuMs } from "../run/command_cpu.ts";
import { memoryMb } from "../../src/support/process_figures.ts";
import { ROOT } from "../servers/places.ts";

const APPS = ["submit-worker", "check-worker", "report-worker", "worker", "scheduler", "dashboard"];
const DURABILITY = "NATS lazy, PostgreSQL as it comes; compiled code is kept from one start to the next";
/** Time without work after which memory is read, ms. The first collection of an idle app comes five to ten seconds after its start. */
const IDLE_MS = 15_000;

/** The targets. */
const RESIDENT_MB = 110;
const READY_MS = 1_000;
const START_MS = 4_000;
const VERSION_CPU_MS = 400;
const COMMAND_CPU_MS = 600;

const MUSTER = join(ROOT, "node_modules", ".bin", "muster");
/** Commands that ask NATS, PostgreSQL, or both. */
const COMMANDS = [
  ["vo", "list"],
  ["ce", "list"],
  ["task", "show", "nothing"],
];

/** Where the processes find their servers, and keep their compiled code. */
async function environmentOf(bench: Bench, cache: string): Promise<NodeJS.ProcessEnv> {
  const { url } = await bench.servers.nats("light", bench.durability);
  const databaseUrl = await bench.servers.database("light");
  await migrate(databaseUrl, { tables: [pilotTables] });
  return { NATS_URL: url, DATABASE_URL: databaseUrl, NODE_COMPILE_CACHE: cache };
}

interface IdleApp {
  readonly name: string;
  readonly readyMs: number;
  readonly resident: number;
}

/** Starts all apps one after the other, and reads their memory once they have been idle for a while. */
async function oneRound(env: NodeJS.ProcessEnv, idleMs: number): Promise<readonly IdleApp[]> {
  await using opened = new AsyncDisposableStack();
  const apps = [];
  for (const name of APPS) apps.push({ name, ...opened.use(await startAppProcess(name, env)) });
  await pause(idleMs);
  return await Promise.all(
    apps.map(async ({ name, pid, readyMs }) => ({ name, readyMs, resident: (await memoryMb(pid)).now })),
  );
}

/** Memory of each app of ours while it is idle, and the time until it is ready. */
export async function idleApps(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  await makeBundle();
  await using cache = await mkdtempDisposable(join(tmpdir(), "muster-compiled-"));
  const env = await environmentOf(bench, cache.path);
  progress("muster: each app once, so that its compiled code is kept");
  await oneRound(env, 0);
  const rounds: (readonly IdleApp[])[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    progress("muster: idle apps");
    rounds.push(await oneRound(env, IDLE_MS));
  }
  const of = (app: string, what: "readyMs" | "resident") =>
    rounds.map((round) => round.find(({ name }) => name === app)?.[what] ?? Number.NaN);
  const largest = (what: "readyMs" | "resident") => Math.max(...APPS.map((app) => median(of(app, what))));
  return [
    {
      row: "idle-app",
      title: `an idle app from the bundle, ${IDLE_MS / 1_000} s after its start, and its start while the servers run`,
      durability: DURABILITY,
      figures: APPS.flatMap((app) => [
        { contender: app, what: "resident", unit: "MB" as const, rounds: of(app, "resident") },
        { contender: app, what: "ready", unit: "ms" as const, rounds: of(app, "readyMs") },
      ]),
      targets: [
        {
          name: `idle app, resident, the largest vs ${RESIDENT_MB} MB`,
          ratio: largest("resident") / RESIDENT_MB,
          atMost: 1,
        },
        {
          name: "idle app, ready after its servers, the slowest vs 1 s",
          ratio: largest("readyMs") / READY_MS,
          atMost: 1,
        },
      ],
      notes: ["an empty process of Node.js has 44 MB, most of it pages of the program file that all processes share"],
    },
  ];
}

/** Time of `npm start` until all is ready, ms. It stops by itself then. */
async function startMs(dataDir: string): Promise<number> {
  const ports = ["--nats-port", "0", "--postgres-port", "0", "--http-port", "0"];
  const startedAtMs = performance.now();
  const child = spawn("npm", ["start", "--", "--for", "0", "--data-dir", dataDir, ...ports], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NATS_URL: "", DATABASE_URL: "" },
  });
  const ended = once(child, "close");
  let readyMs: number | undefined;
  createInterface(child.stdout).on("line", (line) => {
    if (line.includes('"msg":"all is ready"')) readyMs ??= performance.now() - startedAtMs;
  });
  const [code] = await ended;
  if (readyMs === undefined) throw new Error(`Cannot measure npm start: it ended with ${code} before all was ready`);
  return readyMs;
}

/** A warm `npm start`, and the CPU of commands. */
export async function lightProcesses(bench: Bench): Promise<RowReport[]> {
  const { sizes, progress } = bench;
  await makeBundle();
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-light-"));
  const env = await environmentOf(bench, join(folder.path, "compiled"));
  const cpu = (args: readonly string[]) => commandCpuMs([MUSTER, ...args], { cwd: ROOT, env });
  const dataDir = join(folder.path, "data");
  progress("muster: npm start and each command once, so that the data folder is made and compiled code is kept");
  await startMs(dataDir);
  for (const args of COMMANDS) await cpu(args);
  const starts: number[] = [];
  const versions: number[] = [];
  const commands = COMMANDS.map((args) => ({ args, rounds: [] as number[] }));
  for (let round = 0; round < sizes.rounds; round++) {
    progress("muster: npm start, warm, and commands");
    starts.push(await startMs(dataDir));
    versions.push(await cpu(["--version"]));
    for (const { args, rounds } of commands) rounds.push(await cpu(args));
  }
  const dearest = Math.max(...commands.map(({ rounds }) => median(rounds)));
  return [
    {
      row: "light-processes",
      title: "a warm `npm start` until all is ready, and the CPU of commands by `node_modules/.bin/muster`",
      durability: DURABILITY,
      figures: [
        { contender: "npm start", what: "all ready", unit: "ms", rounds: starts },
        { contender: "muster --version", what: "CPU", unit: "ms", rounds: versions },
        ...commands.map(({ args, rounds }) => ({
          contender: `muster ${args.join(" ")}`,
          what: "CPU",
          unit: "ms" as const,
          rounds,
        })),
      ],
      targets: [
        { name: "light processes, warm npm start vs 4 s", ratio: median(starts) / START_MS, atMost: 1 },
        {
          name: "light processes, CPU of muster --version vs 0.4 s",
          ratio: median(versions) / VERSION_CPU_MS,
          atMost: 1,
        },
        { name: "light processes, CPU of the dearest command vs 0.6 s", ratio: dearest / COMMAND_CPU_MS, atMost: 1 },
      ],
      notes: [
        "npx has 0.5 s of its own before it runs a command; for whoever owns the checkout, 1.7 s: it reads all packages there, since package.json names muster",
      ],
    },
  ];
}
