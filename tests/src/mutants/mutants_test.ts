import test from "ava";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { copyWorkspace } from "../support/workspace_copy.ts";
import { type Mutant, MUTANTS_FOLDER, MutantError, parseMutant, readMutants } from "./mutant.ts";
import { runMutant, whyNotApplicable } from "./run_mutant.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
/** Mutants that `npm test` runs: their tests need no server and take a second each. */
const QUICK = ["zone-second-pass", "waiting-room-order", "buffer-priorities-reversed"];

const mutants = await readMutants(ROOT);

function named(name: string): Mutant {
  const mutant = mutants.find((one) => one.name === name);
  if (mutant === undefined) throw new Error(`Cannot find mutant ${name}: it is not in ${MUTANTS_FOLDER}; name another`);
  return mutant;
}

test("each mutant's patch applies to the product as it is, and the tests that it names are there", async (t) => {
  t.true(mutants.length > 0);
  const problems = mutants.map(async (mutant) => {
    const refused = await whyNotApplicable(ROOT, mutant);
    if (refused !== undefined) return [`${mutant.path}: ${refused}`];
    const missing = mutant.catchers.map(async ({ file, match }) => {
      const text = await readFile(join(ROOT, file), "utf8").catch(() => undefined);
      if (text === undefined) return [`${mutant.path}: there is no ${file}`];
      const words = (match ?? "").split("*").filter((part) => part !== "");
      return words.every((part) => text.includes(part)) ? [] : [`${mutant.path}: ${file} has no test "${match}"`];
    });
    return (await Promise.all(missing)).flat();
  });
  t.deepEqual((await Promise.all(problems)).flat(), []);
});

test("a patch without its head is refused by name", (t) => {
  const diff = "diff --git a/x.ts b/x.ts\n";
  t.throws(() => parseMutant("tests/mutants/x.patch", diff), {
    instanceOf: MutantError,
    message: /x\.patch.*"Defect:"/,
  });
  t.throws(() => parseMutant("tests/mutants/x.patch", "Defect: x\nBreaks: y\nCaught by: z\n"), {
    message: /no "diff --git"/,
  });
});

const HEAD = "Defect: a test's defect\nBreaks: nothing\n";
const FORMAT = "libs/tasks/src/definition/json.ts";
const CATCHER = "tests/src/gate/tap_test.ts";

function patchOf(line: string): string {
  return `diff --git a/${FORMAT} b/${FORMAT}\n--- a/${FORMAT}\n+++ b/${FORMAT}\n@@ -1,1 +1,2 @@\n+// defect\n ${line}\n`;
}

test("defects are caught by the tests that name them; one that nobody sees lives, and one that proves nothing is broken", async (t) => {
  await using copy = await copyWorkspace();
  const ground = { root: ROOT, copy: copy.root, env: {} };
  for (const name of QUICK) {
    const verdict = await runMutant(ground, named(name));
    t.is(verdict.kind, "caught", `${name}: ${JSON.stringify(verdict)}`);
  }

  const own = { ...ground, root: join(copy.root, "own") };
  await mkdir(join(own.root, MUTANTS_FOLDER), { recursive: true });
  const [first = ""] = (await readFile(join(copy.root, FORMAT), "utf8")).split("\n");
  async function verdictOf(catcher: string, line: string): Promise<string> {
    const path = join(MUTANTS_FOLDER, "own.patch");
    const patch = `${HEAD}Caught by: ${catcher}\n\n${patchOf(line)}`;
    await writeFile(join(own.root, path), patch);
    return (await runMutant(own, parseMutant(path, patch))).kind;
  }
  t.is(await verdictOf(CATCHER, first), "lived");
  t.is(await verdictOf(CATCHER, "a line that is not there"), "broken");
  t.is(await verdictOf(`${CATCHER} › no such title`, first), "broken");
});
