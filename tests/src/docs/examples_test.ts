import test from "ava";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readSources, type Source } from "../rules/source.ts";
import { complaintsAbout } from "./compile.ts";
import { parsePage, readPages, ROOT } from "./markdown.ts";

/** An example, under the name by which the type checker speaks of it. */
interface Example {
  readonly name: string;
  readonly text: string;
}

/** What an example in a doc comment may take for granted, as its reader does. */
const AT_HAND = {
  broker: "tasks.Broker",
  database: "ledger.Database",
  url: "string",
  siteTables: "ledger.TableSet",
  signal: "AbortSignal",
  locks: 'tasks.SchedulerOptions["locks"]',
  configuration: 'tasks.SchedulerOptions["configuration"]',
  GreetTask: 'tasks.TaskDefinition<tasks.JsonObject, unknown, unknown, unknown, "at-least-once">',
  options: "{ readonly broker: tasks.Broker; readonly nats: { readonly url: string }; readonly app: string }",
};

/** The names that a library's face exports, with `type` before those that are types alone. */
function exportsOf(face: string): string[] {
  return [...face.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, type = "", list = ""]) =>
    list
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "")
      .map((name) => (type !== "" ? `type ${name}` : name)),
  );
}

const sources = await readSources(ROOT);
const faces = sources.filter(
  ({ path, purpose }) => purpose === "product" && /^libs\/[\w-]+\/src\/(\w+\/)?mod\.ts$/.test(path),
);

/** Imports of all that the libraries export, but for what `text` imports or declares itself. */
function preludeFor(text: string): string {
  const taken = new Set<string>();
  const isFree = (name: string) => {
    const bare = name.replace("type ", "");
    // A name of two libraries means the first one's, and an example's own name goes before both.
    const isOwn = new RegExp(
      `\\b(?:const|class|interface|type|function|using)\\s+${bare}\\b|import[^;]*\\b${bare}\\b`,
    ).test(text);
    if (isOwn || taken.has(bare)) return false;
    taken.add(bare);
    return true;
  };
  const imports = faces.map(({ unit, folder, text: source }) => {
    const names = exportsOf(source).filter(isFree).join(", ");
    const face = [unit.replace("libs/", "@muster/"), ...(folder === "" ? [] : [folder])].join("/");
    return `import { ${names} } from "${face}";`;
  });
  const declarations = Object.entries(AT_HAND)
    .filter(([name]) => isFree(name))
    .map(([name, type]) => `declare const ${name}: ${type};`);
  const whole = 'import type * as tasks from "@muster/tasks";\nimport type * as ledger from "@muster/ledger";';
  return [whole, ...imports, ...declarations].join("\n");
}

/** The examples in the doc comments of one source. */
function examplesOf({ path, text }: Source): Example[] {
  const comments = [...text.matchAll(/\/\*\*[\s\S]*?\*\//g)];
  return comments.flatMap(({ 0: comment, index }) => {
    const inside = comment.replaceAll(/^[ \t]*\* ?/gm, "").replaceAll("*\\/", "*/");
    const line = text.slice(0, index).split("\n").length - 1;
    const blocks = comment.includes("```ts")
      ? parsePage(path, inside.replace("/**", "").replace(/\*?\/$/, "")).blocks
      : [];
    return blocks
      .filter(({ language }) => language === "ts")
      .map((block) => ({ name: `${path}:${line + block.line}`, text: block.text }));
  });
}

/** Examples by the names of files; a colon and slashes cannot stand there. */
function asFiles(examples: readonly Example[], prelude: (text: string) => string): Map<string, string> {
  return new Map(
    examples.map(({ name, text }) => [
      `${name.replaceAll("/", "__").replace(":", "_line_")}.ts`,
      `${prelude(text)}\n${text}export {};\n`,
    ]),
  );
}

const pages = await readPages();
const commented = sources.filter(({ path }) => path.startsWith("libs/")).flatMap(examplesOf);
const shown = pages.flatMap(({ path, blocks }) =>
  blocks
    // A block with a further word belongs to a file. The tutorial's own test puts those together.
    .filter(({ language, info }) => language === "ts" && info === "")
    .map(({ line, text }) => ({ name: `${path}:${line}`, text })),
);
const WRONG = join("a", "b.ts");

let told: Promise<readonly string[]> | undefined;

/** The complaints about all examples, and about one that is wrong. One run of the type checker costs little more with more files. */
function complaints(): Promise<readonly string[]> {
  const wrong = 'import { every } from "@muster/tasks";\nevery(5);\n';
  const files = [...asFiles(commented, preludeFor), ...asFiles(shown, () => ""), [WRONG, wrong] as const];
  told ??= complaintsAbout(new Map(files)).then((text) => text.split(/\n(?! )/).filter((line) => line !== ""));
  return told;
}

const isOfComment = (complaint: string) => complaint.startsWith("libs__");
const isOfWrong = (complaint: string) => complaint.startsWith("a/b.ts");

test("every example in a library's doc comments compiles against what the libraries export", async (t) => {
  t.true(commented.length > 8, `${commented.length} examples`);
  t.deepEqual((await complaints()).filter(isOfComment), []);
});

test("every TypeScript example in the docs compiles as it stands", async (t) => {
  t.true(shown.length > 0);
  t.deepEqual(
    (await complaints()).filter((complaint) => !isOfComment(complaint) && !isOfWrong(complaint)),
    [],
  );
});

test("a file that the docs show in full is that file", async (t) => {
  for (const { path, blocks } of pages.filter((page) => !page.path.startsWith("docs/tutorial/"))) {
    for (const { info, line, text } of blocks) {
      const file = /^file=(\S+)$/.exec(info)?.[1];
      if (file !== undefined) t.is(text, await readFile(join(ROOT, file), "utf8"), `${path}:${line}`);
    }
  }
});

test("the type checker's complaint about an example is found", async (t) => {
  t.regex((await complaints()).find(isOfWrong) ?? "", /^a\/b\.ts\(2,7\)/);
});
