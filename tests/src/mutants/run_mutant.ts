import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { makeTapCounter } from "../gate/tap.ts";
import type { Catcher, Mutant } from "./mutant.ts";

/** What became of a mutant. */
export type Verdict =
  /** At least one of its tests failed. */
  | { readonly kind: "caught"; readonly by: readonly string[] }
  /** All of its tests passed: nobody would notice the defect. */
  | { readonly kind: "lived"; readonly passed: number }
  /** A mutant that proves nothing: its patch does not apply, or its tests did not run. */
  | { readonly kind: "broken"; readonly reason: string };

/** A copy of the workspace in which defects are tried, one at a time. */
export interface MutantGround {
  /** Folder of the copy, which changes. */
  readonly copy: string;
  /** Folder of the workspace, which has the patches. */
  readonly root: string;
  /** Added to the environment of the tests. */
  readonly env: Readonly<Record<string, string>>;
}

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(cwd: string, command: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

/** Applies or takes back a patch in `folder`, or only tries to. Returns why it cannot be done; undefined: it was. */
async function applyPatch(folder: string, patch: string, ...how: string[]): Promise<string | undefined> {
  // The folder may lie inside another repository. Git would then use that repository's paths.
  const env = { GIT_CEILING_DIRECTORIES: dirname(folder) };
  const { code, stderr } = await run(folder, ["git", "apply", "-C1", ...how, patch], env);
  return code === 0 ? undefined : stderr.trim();
}

/** Why the mutant's patch does not apply to the workspace as it is; undefined: it does. */
export function whyNotApplicable(root: string, { path }: Mutant): Promise<string | undefined> {
  return applyPatch(root, join(root, path), "--check");
}

interface TestRun {
  readonly passed: number;
  /** Titles of the tests that failed. */
  readonly failed: readonly string[];
  readonly output: string;
}

/** Runs the tests of one catcher. A test that hangs has failed after a minute. */
async function runCatcher({ copy, env }: MutantGround, { file, match }: Catcher): Promise<TestRun> {
  const only = match === undefined ? [] : [`--match=${match}`];
  const { stdout, stderr } = await run(copy, ["ava", "--tap", "--timeout=60s", ...only, file], env);
  const tap = makeTapCounter();
  for (const line of stdout.split("\n")) tap.read(line);
  const failed = [...stdout.matchAll(/^not ok \d+ - (.*)$/gm)].map(([, title = ""]) => title);
  return { passed: tap.counts().passed, failed, output: `${stdout}${stderr}` };
}

/** Runs the tests of `catchers` in the ground as it is now. */
export async function runCatchers(ground: MutantGround, catchers: readonly Catcher[]): Promise<Verdict> {
  let passed = 0;
  for (const catcher of catchers) {
    const ran = await runCatcher(ground, catcher);
    if (ran.failed.length > 0) return { kind: "caught", by: ran.failed };
    if (ran.passed === 0) {
      const what = catcher.match === undefined ? catcher.file : `${catcher.file} › ${catcher.match}`;
      return { kind: "broken", reason: `no test ran for ${what}: ${ran.output.trim().slice(-500)}` };
    }
    passed += ran.passed;
  }
  return { kind: "lived", passed };
}

/** Puts the defect into the ground, runs the tests that must catch it, and takes it out again. */
export async function runMutant(ground: MutantGround, mutant: Mutant): Promise<Verdict> {
  const patch = join(ground.root, mutant.path);
  const refused = await applyPatch(ground.copy, patch);
  if (refused !== undefined) return { kind: "broken", reason: `its patch does not apply: ${refused}` };
  const verdict = await runCatchers(ground, mutant.catchers);
  const stays = await applyPatch(ground.copy, patch, "--reverse");
  if (stays !== undefined) throw new Error(`Cannot take ${mutant.name} back: ${stays}; the copy is of no use any more`);
  return verdict;
}
