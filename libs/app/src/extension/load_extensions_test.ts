import test from "ava";
import { mkdir, mkdtempDisposable, realpath, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  ExtensionFailedError,
  ExtensionNotFoundError,
  isExtensionError,
  NoExtensionError,
} from "./extension_errors.ts";
import { loadExtensions } from "./load_extensions.ts";

const APP = join(import.meta.dirname, "..", "..");

/** A module that brings an extension of this name. */
function moduleOf(name: string): string {
  const face = pathToFileURL(join(APP, "src", "mod.ts")).href;
  return `import { defineExtension } from ${JSON.stringify(face)};
export const extension = defineExtension({ name: ${JSON.stringify(name)}, tasks: [] });
`;
}

/** A project with a package in its node_modules that only \`import\` may load, and modules of its own. */
async function makeProject() {
  const folder = await mkdtempDisposable(join(tmpdir(), "muster-extensions-"));
  const root = folder.path;
  const installed = join(root, "node_modules", "@example", "horns");
  await mkdir(installed, { recursive: true });
  const manifest = { name: "@example/horns", type: "module", exports: { ".": { import: "./mod.js" } } };
  await writeFile(join(installed, "package.json"), JSON.stringify(manifest));
  await writeFile(join(installed, "mod.js"), moduleOf("horns"));
  await writeFile(join(root, "package.json"), '{ "type": "module" }');
  await writeFile(join(root, "drums.js"), moduleOf("drums"));
  await writeFile(join(root, "plain.js"), "export const tasks = [];\n");
  await writeFile(join(root, "lookalike.js"), 'export const extension = { name: "lookalike", tasks: [] };\n');
  await writeFile(join(root, "broken.js"), 'throw new Error("the horn is bent");\n');
  await writeFile(join(root, "lacking.js"), 'import "@example/not-installed";\n');
  await writeFile(join(root, "misspelt.js"), "export const a = 1;\nexport const b = = 2;\n");
  await writeFile(join(root, "imports_misspelt.ts"), 'import "./drums.js";\nimport "./misspelt.js";\n');
  await writeFile(join(root, "mistyped.ts"), "export const a: number = 1;\nexport const b: = 2;\n");
  await mkdir(join(root, "horns"));
  return folder;
}

function load(folder: string, named: readonly string[] | undefined, from = import.meta.url) {
  return loadExtensions({ named, byDefault: ["./drums.js"], from, folder });
}

test("packages and paths are found from the folder in which the app was started, in their order", async (t) => {
  await using project = await makeProject();
  t.deepEqual((await load(project.path, ["@example/horns", "./drums.js"])).names, ["horns", "drums"]);
  t.deepEqual((await load(project.path, undefined)).names, ["drums"], "the default where none is named");
});

test("a package that is not there is found from the app, a path is not", async (t) => {
  await using project = await makeProject();
  await using elsewhere = await mkdtempDisposable(join(tmpdir(), "muster-elsewhere-"));
  const app = pathToFileURL(join(project.path, "app.js")).href;
  t.deepEqual((await load(elsewhere.path, ["@example/horns"], app)).names, ["horns"]);
  await t.throwsAsync(load(elsewhere.path, ["./drums.js"], app), { instanceOf: ExtensionNotFoundError });
});

test("one that cannot be loaded is told with its name, what is wrong and what to do", async (t) => {
  await using project = await makeProject();
  await symlink("nowhere.js", join(project.path, "dangling.js"));
  const cases = [
    {
      name: "@example/none",
      type: ExtensionNotFoundError,
      says: /"@example\/none" from .*muster-ext.*install it there/,
    },
    { name: "./none.js", type: ExtensionNotFoundError, says: /"\.\/none\.js" from .*; mend the path/ },
    { name: "./dangling.js", type: ExtensionNotFoundError, says: /dangling/ },
    { name: "./plain.js", type: NoExtensionError, says: /it exports tasks, and no `extension`; write `export const/ },
    { name: "./lookalike.js", type: NoExtensionError, says: /not made by defineExtension/ },
    {
      name: "./broken.js",
      type: ExtensionFailedError,
      says: /the horn is bent \(.*broken\.js:1\); mend it, or leave it out of MUSTER_/,
    },
    {
      name: "./horns/",
      type: ExtensionNotFoundError,
      says: /: it is a folder; name the module in it, e\.g\. \.\/horns\/mod\.ts/,
    },
    { name: "./lacking.js", type: ExtensionFailedError, says: /Cannot find package '@example\/not-installed'/ },
  ];
  for (const { name, type, says } of cases) {
    const error = await t.throwsAsync<Error>(load(project.path, [name]), { message: says }, name);
    t.true(error instanceof type, `${name}: ${error?.name}`);
    t.true(isExtensionError(error));
  }
});

test("the place of what is wrong in an extension is told: of an error, and of a syntax error in it or in what it imports", async (t) => {
  await using project = await makeProject();
  const root = await realpath(project.path);
  const cases = [
    { name: "./broken.js", place: "broken.js:1" },
    { name: "./misspelt.js", place: "misspelt.js:2" },
    { name: "./imports_misspelt.ts", place: "misspelt.js:2" },
    { name: "./mistyped.ts", place: "mistyped.ts:2" },
  ];
  for (const { name, place } of cases) {
    const error = await t.throwsAsync<ExtensionFailedError>(load(project.path, [name]), undefined, name);
    t.is(error.place, join(root, place), name);
    t.true(error.message.includes(`(${join(root, place)}); mend it`), error.message);
  }
});
