import { spawn } from "node:child_process";
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import test from "ava";
import { type CodeBlock, parsePage, ROOT } from "./markdown.ts";
import { copyWorkspace } from "../support/workspace_copy.ts";

const path = "docs/tutorial/README.md";
const { blocks } = parsePage(path, await readFile(join(ROOT, path), "utf8"));

/** The blocks that the reader is to write, or to append, to a file, with that file. */
function blocksFor(verb: "file" | "append"): { readonly file: string; readonly block: CodeBlock }[] {
  return blocks.flatMap((block) => {
    const file = new RegExp(`^${verb}=(\\S+)$`).exec(block.info)?.[1];
    return file === undefined ? [] : [{ file, block }];
  });
}

/** Runs a command in a folder. Returns its exit code and all that it printed. */
async function run(folder: string, command: string, ...args: string[]): Promise<{ code: number | null; said: string }> {
  const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, said: stdout + stderr };
}

// The commands of the tutorial are run by commands_test.ts, with its tests and its extension.
test("the tutorial's code compiles and passes the linter at each of its steps", async (t) => {
  await using copy = await copyWorkspace();
  for (const { file, block } of blocksFor("append")) await appendFile(join(copy.root, file), block.text);
  const steps = blocksFor("file");
  t.true(steps.length >= 5);
  for (const [index, { file, block }] of steps.entries()) {
    await mkdir(dirname(join(copy.root, file)), { recursive: true });
    await writeFile(join(copy.root, file), block.text);
    // A copy of each step stays beside the file that later steps overwrite. So one run of the type checker sees all steps.
    await writeFile(join(copy.root, file.replace(".ts", `__step_${index}.ts`)), block.text);
  }
  const types = await run(copy.root, "tsc", "-p", "tsconfig.json", "--singleThreaded", "--pretty", "false");
  const ofTutorial = types.said.split("\n").filter((line) => /^(libs\/pilot-tasks|apps|extensions)\//.test(line));
  t.deepEqual(ofTutorial, []);

  const lint = await run(copy.root, "biome", "lint", ...new Set(steps.map(({ file }) => file)));
  t.is(lint.code, 0, lint.said);
});
