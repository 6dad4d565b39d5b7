import { provisionNatsServer } from "@muster/local";
import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { glob, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { openCleanMachine } from "../docs/clean_machine.ts";
import { parsePage, ROOT } from "../docs/markdown.ts";
import { startTestNats } from "../support/nats.ts";
import { within } from "../support/until.ts";
import { copyWorkspace } from "../support/workspace_copy.ts";
import { startRegistry } from "./registry.ts";
import { findOldestNode, makeStranger, type Stranger } from "./stranger.ts";

/** Declarations of others that do not pass `exactOptionalPropertyTypes`. A line goes when they mend it, and the how-to says so then. */
const FAULTS_OF_OTHERS = [
  "node_modules/@mikro-orm/core/serialization/EntitySerializer.d.ts",
  "node_modules/@nats-io/nats-core/lib/msg.d.ts",
  "node_modules/@nats-io/nats-core/lib/nats.d.ts",
];

/** How long the examples may take together on a machine that is busy with other tests, ms. Below ava's own limit, so that they are stopped. */
const EXAMPLES_WITHIN_MS = 90_000;

/** What a project needs beside the packages, as their READMEs say. */
const BESIDE = ["zod", "@types/node"];

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
  const registry = opened.use(await startRegistry());
  stranger = opened.use(await makeStranger(registry.url));
  const tarballs = await makeTarballs(copy.root);
  const { code, said } = await stranger.install([...tarballs, ...BESIDE]);
  if (code !== 0) throw new Error(`npm install ended with ${code}, and lacked ${[...registry.missing]}:\n${said}`);
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
