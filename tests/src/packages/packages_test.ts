import { provisionNatsServer } from "@muster/local";
import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { glob, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { openCleanMachine, type Running } from "../docs/clean_machine.ts";
import { parsePage, ROOT } from "../docs/markdown.ts";
import { startTestNats } from "../support/nats.ts";
import { within } from "../support/until.ts";
import { copyWorkspace } from "../support/workspace_copy.ts";
import { type Registry, startRegistry } from "./registry.ts";
import { findOldestNode, makeStranger, type Stranger } from "./stranger.ts";

/** Declarations of others that do not pass `exactOptionalPropertyTypes`. A line goes when they mend it, and the how-to says so then. */
const FAULTS_OF_OTHERS = [
  "node_modules/@mikro-orm/core/serialization/EntitySerializer.d.ts",
  "node_modules/@nats-io/nats-core/lib/msg.d.ts",
  "node_modules/@nats-io/nats-core/lib/nats.d.ts",
];

/** How long the examples may take together on a machine that is busy with other tests, ms. Below ava's own limit, so that they are stopped. */
const EXAMPLES_WITHIN_MS = 90_000;

/** The page from which a stranger knows how to install the packages and run an extension. */
const PAGE = join("docs", "how-to", "use-the-packages.md");

/** The packages that the page does not install, since only pilots need them, and what the test has anyway. */
const BESIDE = ["muster-logic", "muster-pilot-tasks"];

/** A package as the stranger has it. */
interface Installed {
  readonly name: string;
  readonly folder: string;
  readonly manifest: Record<string, unknown>;
  /** The example of its README, and what it says when it runs. */
  readonly example: string;
  readonly says: readonly string[];
}

const opened = new AsyncDisposableStack();
let registry: Registry;
let stranger: Stranger;
let installed: Installed[] = [];

async function readInstalled(folder: string): Promise<Installed> {
  const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const { blocks } = parsePage(folder, await readFile(join(folder, "README.md"), "utf8"));
  const textOf = (wanted: string) => blocks.find(({ language }) => language === wanted)?.text ?? "";
  const says = textOf("text").trim().split("\n");
  return { name: manifest.name, folder, manifest, example: textOf("ts"), says };
}

/** What the page about tests shows that a stranger can run: the test file at its top, and a whole system. */
async function readKitExamples(): Promise<{ readonly testFile: string; readonly system: string }> {
  const page = join("docs", "how-to", "test-a-task.md");
  const { blocks } = parsePage(page, await readFile(join(ROOT, page), "utf8"));
  const textWith = (word: string) =>
    blocks.find(({ language, text }) => language === "ts" && text.includes(word))?.text;
  return { testFile: textWith("node:test") ?? "", system: textWith("startTestSystem") ?? "" };
}

/** A file of the page, by the module that it begins to import or by what it calls. */
async function fileOfPage(holding: string): Promise<string> {
  const { blocks } = parsePage(PAGE, await readFile(join(ROOT, PAGE), "utf8"));
  const found = blocks.find(({ language, text }) => language === "ts" && text.includes(holding));
  if (found === undefined) throw new Error(`Cannot find the file with ${holding} in ${PAGE}`);
  return found.text;
}

/** The commands of the page, in its order. What they name in the checkout `../muster` is at `checkout`. */
async function commandsOfPage(checkout: string): Promise<readonly string[]> {
  const { blocks } = parsePage(PAGE, await readFile(join(ROOT, PAGE), "utf8"));
  return blocks
    .filter(({ language, info }) => language === "sh" && info.includes("the test of the packages runs them"))
    .flatMap(({ text }) => text.trim().split("\n"))
    .map((line) => line.trim().replaceAll("../muster/", `${checkout}/`));
}

/** Installs all packages as the page says. TypeScript is the workspace's own. */
async function installByPage(checkout: string, tarballs: readonly string[]): Promise<void> {
  const ofPage = (await commandsOfPage(checkout)).filter((command) => command.startsWith("npm "));
  const others = tarballs.filter((path) => BESIDE.some((name) => basename(path).startsWith(name)));
  for (const command of [...ofPage, `npm install ${others.join(" ")}`]) {
    const quiet = command.replace("npm install", "npm install --no-audit --no-fund");
    const { code, said } = await stranger.give(quiet).ended;
    if (code !== 0) throw new Error(`${command} ended with ${code}, and lacked ${[...registry.missing]}:\n${said}`);
  }
}

/** Makes the tarballs as a clean checkout does, and returns their paths. */
async function makeTarballs(root: string): Promise<string[]> {
  const { noteInstalled } = await import(pathToFileURL(join(root, "infra", "boot", "install.mjs")).href);
  noteInstalled(root);
  // The copy's packages are links to the workspace's, which pnpm would take for none and replace.
  const env = { TURBO_TELEMETRY_DISABLED: "1", pnpm_config_verify_deps_before_run: "false" };
  await using machine = await openCleanMachine(env);
  const { code, said } = await machine.start("npm run packages", root).ended;
  if (code !== 0) throw new Error(`npm run packages ended with ${code}:\n${said}`);
  const tarballs: string[] = [];
  for await (const name of glob("*.tgz", { cwd: join(root, "dist") })) tarballs.push(join(root, "dist", name));
  return tarballs.sort();
}

test.before(async () => {
  const copy = opened.use(await copyWorkspace());
  registry = opened.use(await startRegistry());
  stranger = opened.use(await makeStranger(registry.url));
  await installByPage(copy.root, await makeTarballs(copy.root));
  const folders: string[] = [];
  for await (const path of glob("node_modules/@muster/*", { cwd: stranger.root }))
    folders.push(join(stranger.root, path));
  installed = await Promise.all(folders.sort().map(readInstalled));
  for (const { folder, example } of installed) await stranger.write(`${basename(folder)}.ts`, example);
  const { testFile, system } = await readKitExamples();
  await stranger.write("kit_test.ts", testFile);
  await stranger.write("kit_system.ts", system);
  // A project of several files, as the page about the packages has it.
  await stranger.write(
    "part.ts",
    "export interface Part {\n  readonly name: string;\n}\nexport const part: Part = { name: 'a part' };\n",
  );
  await stranger.write(
    "whole.ts",
    'import { type Part, part } from "./part.ts";\nexport const whole: readonly Part[] = [part];\n',
  );
  const faces = installed.flatMap(({ name, manifest }) =>
    Object.keys(manifest["exports"] as object)
      .filter((path) => !path.endsWith(".json"))
      .map((path) => `${name}${path.slice(1)}`),
  );
  await stranger.write("faces.ts", faces.map((face, index) => `export * as face${index} from "${face}";\n`).join(""));
});
test.after.always(() => opened.disposeAsync());

test("every library is a package that npm installs, with a README, a licence, its sources and maps that lead to them", async (t) => {
  const libs: string[] = [];
  for await (const path of glob("../../../libs/*/package.json", { cwd: import.meta.dirname })) libs.push(path);
  t.is(installed.length, libs.length);
  for (const { name, folder, manifest, example, says } of installed) {
    t.true(example !== "" && says.join("") !== "", `the README of ${name} lacks an example, or what that prints`);
    t.notRegex(JSON.stringify(manifest), /"(?:workspace|catalog):/, name);
    const files: string[] = [];
    for await (const path of glob("**/*", { cwd: folder })) files.push(path);
    t.true(files.includes("LICENSE") && files.includes("README.md"), name);
    t.deepEqual(
      files.filter((path) => path.includes("_test.")),
      [],
      name,
    );
    const built = files.filter((path) => /^dist\/.*\.(?:js|d\.ts)$/.test(path));
    t.deepEqual(
      built.filter((path) => !files.includes(`${path}.map`)),
      [],
      name,
    );
    for (const path of files.filter((each) => each.endsWith(".map"))) {
      const { sources } = JSON.parse(await readFile(join(folder, path), "utf8"));
      const lost = sources.filter((source: string) => !files.includes(join(dirname(path), source)));
      t.deepEqual(lost, [], `${name} ${path}`);
    }
  }
});

test("npm asks its registry for no package of Muster, which may never answer for a name that it does not know", (t) => {
  t.deepEqual(
    [...registry.missing].filter((name) => name.startsWith("@muster/")),
    [],
  );
});

test("publint finds nothing wrong in a package", async (t) => {
  for (const { name, folder } of installed) {
    const { messages, pkg } = await publint({ pkgDir: folder, pack: false, strict: true });
    t.deepEqual(
      messages.map((message) => formatMessage(message, pkg, { color: false })),
      [],
      name,
    );
  }
});

test("the packages and their READMEs' examples pass a type checker that is as strict as can be and skips no declarations", async (t) => {
  const complaints = await stranger.complaints();
  t.deepEqual([...new Set(complaints.map((complaint) => complaint.split("(", 1)[0]))].sort(), FAULTS_OF_OTHERS);
});

test("every package loads on our Node.js", async (t) => {
  const { code, said } = await stranger.run(process.execPath, "faces.ts").ended;
  t.is(code, 0, said);
});

test("a stranger tests a task with the kit, alone and in a whole system on the nats-server that NATS_SERVER names", async (t) => {
  const node = await findOldestNode();
  const alone = await stranger.run(node, "kit_test.ts").ended;
  t.is(alone.code, 0, alone.said);
  t.regex(alone.said, /pass 2\n/);
  const system = await stranger.run(node, "kit_system.ts", { NATS_SERVER: await provisionNatsServer(() => {}) }).ended;
  t.is(system.code, 0, system.said);
  // The oldest Node.js says first that it strips types.
  t.deepEqual(system.said.trim().split("\n").slice(-2), ["Hello, lhcb", "done"]);
});

test("each package's example runs as its README says, on the oldest Node.js that it names", async (t) => {
  const node = await findOldestNode();
  await using nats = await startTestNats();
  await using postgres = await startTestServer();
  const env = { NATS_URL: nats.url, DATABASE_URL: await postgres.createEmptyUrl() };
  // All at once: the one that makes the tables is awaited by the one that needs them.
  const examples = installed.map(({ folder, says }) => {
    return { says, example: stranger.run(node, `${basename(folder)}.ts`, env) };
  });
  try {
    const said = examples.flatMap(({ example, says }) => says.map((line) => example.line(line)));
    await within(Promise.all(said), () => "what the examples say", EXAMPLES_WITHIN_MS);
  } finally {
    for (const { example } of examples) example.stop();
    await Promise.all(examples.map(({ example }) => example.ended));
  }
  t.pass();
});

test("by the page alone a stranger runs a task of their own, with two files and with Muster's own apps", async (t) => {
  const node = await findOldestNode();
  await using nats = await startTestNats();
  await using postgres = await startTestServer();
  await stranger.write("extension.ts", await fileOfPage("defineExtension"));
  await stranger.write("migrate.ts", await fileOfPage("loadExtensions"));
  await stranger.write("scheduler.ts", await fileOfPage("runSchedulerApp"));
  await stranger.write("worker.ts", await fileOfPage("runGenericWorkerApp"));
  const env = { NATS_URL: nats.url, DATABASE_URL: await postgres.createEmptyUrl() };
  const migrated = await stranger.run(node, "migrate.ts", env).ended;
  t.is(migrated.code, 0, migrated.said);
  await runThem([stranger.run(node, "scheduler.ts", env), stranger.run(node, "worker.ts", env)]);

  const [, ...commands] = (await commandsOfPage(ROOT)).filter((command) => !command.startsWith("npm "));
  const [migrate = "", scheduler = "", worker = "", ...more] = commands;
  const theirs = { ...env, DATABASE_URL: await postgres.createEmptyUrl(), MUSTER_EXTENSIONS: "./extension.ts" };
  const made = await stranger.give(migrate, theirs).ended;
  t.is(made.code, 0, made.said);
  await runThem([stranger.give(scheduler, theirs), stranger.give(worker, theirs)], async () => {
    for (const command of more) {
      const { code, said } = await stranger.give(command, theirs).ended;
      t.is(code, 0, said);
      t.regex(said, /GreetTask/);
    }
  });
  t.is(more.length, 2);
});

/** Awaits the greeting of the second of two apps, and stops both. */
async function runThem(apps: readonly [Running, Running], meanwhile = async () => {}): Promise<void> {
  try {
    const greeted = apps[1].line('"hello from my own task"');
    await within(greeted, () => "a greeting of the stranger's own task", EXAMPLES_WITHIN_MS);
    await meanwhile();
  } finally {
    for (const app of apps) app.stop();
    await Promise.all(apps.map((app) => app.ended));
  }
}
