// What `npm run mutants` runs: each defect of tests/mutants in a copy of the workspace, one at a time, and which of them lived.
import { provisionNatsServer } from "@muster/local";
import { startSharedTestServer } from "@muster/logic/testing";
import { join } from "node:path";
import { copyWorkspace } from "../support/workspace_copy.ts";
import { type Catcher, type Mutant, readMutants } from "./mutant.ts";
import { type MutantGround, runCatchers, runMutant, type Verdict } from "./run_mutant.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const USAGE = `Usage: npm run mutants [-- <name>...]   (names as in tests/mutants, without .patch; part of a name will do)
       npm run mutants -- --list`;

function chosen(mutants: readonly Mutant[], words: readonly string[]): readonly Mutant[] {
  if (words.length === 0) return mutants;
  for (const word of words) {
    if (!mutants.some(({ name }) => name.includes(word)))
      throw new Error(`Cannot find mutant "${word}": no file of tests/mutants is named so; see --list`);
  }
  return mutants.filter(({ name }) => words.some((word) => name.includes(word)));
}

/** Each catcher once. */
function catchersOf(mutants: readonly Mutant[]): readonly Catcher[] {
  const all = mutants.flatMap(({ catchers }) => catchers);
  return [...new Map(all.map((catcher) => [`${catcher.file} ${catcher.match}`, catcher])).values()];
}

/** A test that fails without any defect would catch them all. Throws with its name. */
async function requireHealthy(ground: MutantGround, mutants: readonly Mutant[]): Promise<void> {
  const catchers = catchersOf(mutants);
  console.log(`# first the ${catchers.length} tests and files that catch, without any defect`);
  const verdict = await runCatchers(ground, catchers);
  if (verdict.kind === "lived") return;
  const why = verdict.kind === "caught" ? `${verdict.by.join("; ")} failed without any defect` : verdict.reason;
  throw new Error(`Cannot try mutants: ${why}; mend the tests first`);
}

function print({ name, defect }: Mutant, verdict: Verdict): void {
  if (verdict.kind === "caught") console.log(`caught  ${name}: ${verdict.by[0]}`);
  else if (verdict.kind === "lived") console.log(`LIVED   ${name}: ${defect} (${verdict.passed} tests passed)`);
  else console.log(`BROKEN  ${name}: ${verdict.reason}`);
}

async function main(words: readonly string[]): Promise<void> {
  if (words.includes("--help")) return console.log(USAGE);
  const mutants = await readMutants(ROOT);
  if (words.includes("--list")) {
    for (const { name, defect, breaks } of mutants) console.log(`${name}: ${defect} (${breaks})`);
    return;
  }
  const wanted = chosen(mutants, words);
  await using postgres = await startSharedTestServer();
  await using copy = await copyWorkspace();
  const natsServer = await provisionNatsServer((line) => console.error(`muster: ${line}`));
  const ground = { root: ROOT, copy: copy.root, env: { ...postgres.env, NATS_SERVER: natsServer } };
  await requireHealthy(ground, wanted);
  const counts = { caught: 0, lived: 0, broken: 0 };
  for (const mutant of wanted) {
    const verdict = await runMutant(ground, mutant);
    counts[verdict.kind]++;
    print(mutant, verdict);
  }
  console.log(`${counts.caught} caught, ${counts.lived} lived, ${counts.broken} broken`);
  if (counts.lived + counts.broken > 0) process.exitCode = 1;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
