import { openDatabase } from "@muster/ledger";
import { runSql } from "@muster/ledger/testing";
import { provisionNatsCli } from "@muster/local";
import { connectNats } from "@muster/tasks";
import { jetstreamManager } from "@nats-io/jetstream";
import test from "ava";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { copyWorkspace } from "../support/workspace_copy.ts";
import { until } from "../support/until.ts";
import { processesOf, untilNoneLeft } from "../up/up_process.ts";
import { openCleanMachine, type Running, TURBO_CACHE } from "./clean_machine.ts";
import { commandsOf, type DocumentedCommand, problemOfInline } from "./commands.ts";
import { parsePage, readPages, ROOT } from "./markdown.ts";

const pages = await readPages();
const commands = commandsOf(pages);

const opened = new AsyncDisposableStack();
const copy = opened.use(await copyWorkspace());
const mark = await mkdtemp(join(tmpdir(), "muster-mark-"));
opened.defer(() => rm(mark, { recursive: true, force: true }));
const nats = await provisionNatsCli(() => {});
const machine = opened.use(
  await openCleanMachine(
    {
      MUSTER_NATS_PORT: "0",
      MUSTER_POSTGRES_PORT: "0",
      MUSTER_HTTP_PORT: "0",
      TURBO_CACHE_DIR: TURBO_CACHE,
      TURBO_TELEMETRY_DISABLED: "1",
      // The copy's packages are links to the workspace's, which pnpm would take for none and replace.
      pnpm_config_verify_deps_before_run: "false",
      // All that a command starts inherits it, by which the test finds what was left behind.
      MUSTER_TEST_MARK: mark,
    },
    nats.path === undefined ? {} : { nats: nats.path },
  ),
);

/** What runs until it is stopped, and what it says once it does its work. */
const UNTIL_STOPPED: readonly (readonly [RegExp, string])[] = [
  [/^npm start\b/, "all is ready"],
  [/^nats sub /, "Subscribing on"],
  [/\/dist\/main\.js$/, "ready for tasks"],
];

let started: Running | undefined;

/** `npm start` as the pages have it, in the copy. */
async function startMuster(): Promise<void> {
  started = machine.start("exec npm start", copy.root);
  await started.line("all is ready");
}

async function stopMuster(): Promise<string[]> {
  if (started !== undefined) {
    process.kill(started.pid, "SIGINT");
    await started.ended;
    started = undefined;
  }
  return await untilNoneLeft(mark, 60_000);
}

async function readRunning(): Promise<{ readonly natsUrl: string; readonly databaseUrl: string }> {
  return JSON.parse(await readFile(join(copy.root, ".muster", "running.json"), "utf8"));
}

async function natsUrl(): Promise<string> {
  return (await readRunning()).natsUrl;
}

/** What npx finds in a checkout under the name `muster`, see package.json. */
const NPX_FINDS = "node infra/boot/npx/muster.mjs ";
/** What that program starts once `npm start` has made the bundle: infra/boot/bundle.mjs. */
const THAT_STARTS = "node_modules/.bin/node infra/bundle/dist/apps/cli/dist/main.js ";
/** What it starts where a source has changed since. */
const OR_STARTS = "node_modules/.bin/node apps/cli/src/main.ts ";

/** The tutorial starts Muster anew, so that it comes last and alone. It also changes sources. */
const ALONE = new Set(["docs/tutorial/README.md"]);

const ofMuster = commands.filter(({ text, notRun }) => notRun === undefined && text.includes("npx muster "));

/**
 * The command as the test gives it. The way by npx costs more CPU than a command of ours, and it is the same for all. So npx runs for the
 * first one of all pages, what it finds for the first one of each page, and what that starts for the others.
 */
function asGiven(command: DocumentedCommand): string {
  if (command === ofMuster[0]) return command.text;
  const isFirst = command === ofMuster.find(({ page }) => page === command.page);
  if (isFirst) return command.text.replace(/\bnpx muster /, NPX_FINDS);
  return command.text.replace(/\bnpx muster /, ALONE.has(command.page) ? OR_STARTS : THAT_STARTS);
}

/** Commands that the tutorial's own test gives to the same files. */
const GIVEN_THERE = /^npx tsc /;

/** What a command of the tutorial prints, beside ending well. */
const PRINTS: readonly (readonly [string, RegExp])[] = [
  ["npx ava libs/", /1 test passed/],
  ["npx ava extensions/", /1 test passed/],
  ["muster migrate", /disk\/0001_disk_reading/],
  ["muster schedule list --task DiskTask", /DiskTask +_ +default +every 10s/],
  ["muster task call DiskTask", /\{\n {2}"freeGb": \d+\n\}/],
];

/** Gives a command as it is written. Returns what is wrong with how it went, or undefined. */
async function give(command: DocumentedCommand): Promise<string | undefined> {
  const text = asGiven(command);
  if (text.startsWith("npm start")) return undefined; // it runs all the while
  if (GIVEN_THERE.test(text)) return undefined;
  const isNats = text.startsWith("nats ");
  if (isNats && nats.path === undefined) return undefined; // the gate tells so
  const setting = isNats ? `NATS_URL=${await natsUrl()} ` : "";
  const ready = UNTIL_STOPPED.find(([pattern]) => pattern.test(text))?.[1];
  const running = machine.start(ready === undefined ? setting + text : `${setting}exec ${text}`, copy.root);
  if (ready !== undefined) {
    await running.line(ready);
    process.kill(running.pid, isNats ? "SIGINT" : "SIGTERM");
  }
  const { code, signal, said } = await running.ended;
  const prints = PRINTS.find(([part]) => command.text.includes(part))?.[1];
  if (prints !== undefined && !prints.test(said)) return `it did not print ${prints} but\n${said}`;
  // The nats command does nothing about Ctrl-C but end by it.
  if (code === 0 || (isNats && ready !== undefined)) return undefined;
  return `it ended with ${signal ?? code} and said:\n${said}`;
}

/** Makes two dead letters, which the page of dead letters takes for granted. */
async function makeDeadLetters(): Promise<void> {
  const nc = await connectNats({ url: await natsUrl(), name: "commands test" });
  const streams = (await jetstreamManager(nc)).streams;
  const bad = "tasks.MyPilotTask.lhcb";
  for (const body of ["bad", "worse"]) nc.publish(bad, body);
  await until(async () => ((await streams.info("DEAD")).state.messages >= 2 ? true : undefined), "two dead letters");
  await nc.close();
}

/** Does what the tutorial tells to write, and starts Muster again, as it says. */
async function doTutorial(): Promise<void> {
  const { blocks } = parsePage("", await readFile(join(ROOT, "docs/tutorial/README.md"), "utf8"));
  for (const { info, text } of blocks) {
    const [, verb, file] = /^(file|append)=(\S+)$/.exec(info) ?? [];
    if (file === undefined) continue;
    await mkdir(dirname(join(copy.root, file)), { recursive: true });
    if (verb === "append") await appendFile(join(copy.root, file), text);
    else await writeFile(join(copy.root, file), text);
  }
  await stopMuster();
  await startMuster();
}

/** Sets two tasks aside in the outbox, which the page of the outbox takes for granted. */
async function setTasksAside(): Promise<void> {
  await using database = await openDatabase({ url: (await readRunning()).databaseUrl });
  await runSql(
    database,
    `insert into task_outbox (task, task_id, refused_at, reason)
     select 'No Task', id, now(), 'Cannot use "No Task" as task name' from unnest(array['order-4711', 'order-4712']) id`,
  );
}

const BEFORE: Readonly<Record<string, () => Promise<void>>> = {
  "docs/how-to/dead-letters.md": makeDeadLetters,
  "docs/how-to/outbox.md": setTasksAside,
  "docs/tutorial/README.md": doTutorial,
};

/** With what the program that npx finds starts a command in this folder. */
async function commandLineIn(root: string): Promise<string> {
  const { commandLine } = await import(pathToFileURL(join(ROOT, "infra", "boot", "bundle.mjs")).href);
  return `node_modules/.bin/node ${relative(root, commandLine(root, { make: false }))} `;
}
let onceStarted = "";

test.before(async () => {
  const { noteInstalled } = await import(pathToFileURL(join(copy.root, "infra", "boot", "install.mjs")).href);
  noteInstalled(copy.root);
  await startMuster();
  onceStarted = await commandLineIn(copy.root);
  giveSideBySide();
});
test.after.always(async () => {
  const left = await stopMuster();
  for (const line of left) process.kill(Number.parseInt(line, 10), "SIGKILL");
  await opened.disposeAsync();
});

/** The commands of each page that are run, in its order. */
const ofPages = Map.groupBy(
  commands.filter(({ notRun }) => notRun === undefined),
  ({ page }) => page,
);

/** Gives a page's commands one after the other. Returns what is wrong with the first that goes wrong, or undefined. */
async function givePage(page: string): Promise<string | undefined> {
  await BEFORE[page]?.();
  const ofPage = ofPages.get(page) ?? [];
  for (const command of ofPage) {
    const problem = await give(command);
    if (problem !== undefined) return `${page}:${command.line} ${command.text}: ${problem}`;
  }
  return undefined;
}

/** Number of pages whose commands run at the same time. `npm start` runs meanwhile and costs CPU, so a shorter time is cheaper. */
const SIDE_BY_SIDE = 3;

const given = new Map<string, Promise<string | undefined>>();

/** Begins with the pages that need not be alone, each as a reader of its own. */
function giveSideBySide(): void {
  const pagesLeft = [...ofPages.keys()].filter((page) => !ALONE.has(page));
  const readers = Array.from({ length: SIDE_BY_SIDE }, () => Promise.resolve());
  for (const [index, page] of pagesLeft.entries()) {
    const reader = index % SIDE_BY_SIDE;
    const result = (readers[reader] ?? Promise.resolve()).then(() => givePage(page));
    given.set(page, result);
    readers[reader] = result.then(
      () => {},
      () => {}, // the page's own test tells
    );
  }
}

for (const page of [...ofPages.keys()].toSorted((a, b) => Number(ALONE.has(a)) - Number(ALONE.has(b)))) {
  test.serial(`the commands of ${page} work as written where git, Node.js and npm are all that there is`, async (t) => {
    t.is(await (given.get(page) ?? givePage(page)), undefined);
  });
}

test.serial(
  "SIGTERM to what the documented production command starts drains the app, and leaves no process behind",
  async (t) => {
    const [production = ""] = commands.map(({ text }) => text).filter((text) => text.includes("/dist/main.js"));
    // `npm start` runs the same bundle, so what this command starts has a mark of its own.
    const ownMark = join(mark, "production");
    const app = machine.start(`MUSTER_TEST_MARK=${ownMark} exec ${production}`, copy.root);
    await app.line("ready for tasks");
    t.true((await processesOf(ownMark)).some((line) => line.startsWith(`${app.pid} `)));
    process.kill(app.pid, "SIGTERM");
    const { code, said } = await app.ended;
    t.is(code, 0, said);
    t.true(said.includes('"msg":"stopped"'), said);
    t.deepEqual(await untilNoneLeft(ownMark, 60_000), []);
  },
);

test.serial("Ctrl-C ends npm start and all that it has started", async (t) => {
  t.deepEqual(await stopMuster(), []);
});

test("a command that is not run says why, and one that needs more than git, Node.js and npm says what", (t) => {
  for (const { page, line, text, notRun, needs } of commands) {
    if (text.startsWith("nats ")) t.is(needs, "nats", `${page}:${line} is to be marked with="nats"`);
    if (notRun !== undefined) t.true(notRun.length > 10, `${page}:${line} gives no reason: ${notRun}`);
  }
  t.log(
    commands
      .flatMap(({ page, line, text, notRun }) => (notRun === undefined ? [] : [`${page}:${line} ${text}: ${notRun}`]))
      .join("\n"),
  );
});

test("what runs in the place of npx is what npx finds", async (t) => {
  const { bin } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  t.is(NPX_FINDS, `node ${bin.muster} `);
  const boot = await readFile(join(ROOT, "infra/boot/run_command.mjs"), "utf8");
  t.true(boot.includes('muster: { program: "node", args: [CLI], builds: false }'));
  t.true(boot.includes("return [commandLine(ROOT, "));
  t.is(onceStarted, THAT_STARTS);
  t.is(await commandLineIn(mark), OR_STARTS, "there is no bundle");
});

test("a command in the running text is one that there is", async (t) => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const reference = await readFile(join(ROOT, "docs/reference/command-line.md"), "utf8");
  const known = {
    scripts: new Set([...Object.keys(scripts), "exec"]),
    programs: new Set([...(await readdir(join(ROOT, "node_modules", ".bin"))), "git", "nats"]),
    muster: [...reference.matchAll(/^\| `(muster [a-z]+(?: [a-z]+)?)/gm)].map(([, name = ""]) => name),
  };
  t.true(known.muster.length > 20);
  for (const { path, codeWords } of pages) {
    for (const { target, line } of codeWords.filter(({ target }) => /^(?:npm|npx|muster) [a-z]/.test(target))) {
      t.is(problemOfInline(target, known), undefined, `${path}:${line} ${target}`);
    }
  }
});

test("commands are read from a page as its reader gives them", (t) => {
  const text =
    '```sh not-run="two: cannot be"\none \\\n  --more # why\n\n# a remark\ntwo # not now\n```\n\n```console with="nats"\n$ nats three\nanswer\n$ four\n```\n';
  const found = commandsOf([parsePage("docs/how-to/a.md", text), parsePage("docs/models/b.md", text)]);
  t.deepEqual(
    found.map(({ line, text: command, notRun, needs }) => [line, command, notRun, needs]),
    [
      [2, "one \\\n  --more # why", undefined, undefined],
      [6, "two # not now", "cannot be", undefined],
      [10, "nats three", undefined, "nats"],
      [12, "four", undefined, "nats"],
    ],
  );
});
