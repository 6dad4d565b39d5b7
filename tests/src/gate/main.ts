// The program behind `npm test`. It runs all checks and prints one closing line. Needs the installed workspace, and pnpm on PATH.
import { provisionChromium, provisionNatsCli, provisionNatsServer } from "@muster/local";
import { startSharedTestServer } from "@muster/logic/testing";
import { join } from "node:path";
import { BUNDLE_VARIABLE } from "../support/built.ts";
import { runAva } from "./ava_step.ts";
import { GROUP_IN_TITLE, writeGroups } from "./plan_groups.ts";
import { checkRules } from "./rules_step.ts";
import { openTurns, TURNS_VARIABLE } from "./turns.ts";
import { TURBO_CACHE } from "../docs/clean_machine.ts";
import { runCommandStep, runStep, type StepCommand, type StepResult } from "./step.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");

const BUILD: StepCommand = {
  name: "build",
  command: "turbo",
  args: ["run", "build", "--output-logs=errors-only", "--no-update-notifier"],
  // A checkout that shares its repository with others would share their cache too, and tests look for it here.
  env: { TURBO_TELEMETRY_DISABLED: "1", TURBO_CACHE_DIR: TURBO_CACHE },
};
// Several threads would each check what their files share: half as much CPU again.
const TYPES: StepCommand = { name: "types", command: "tsc", args: ["-p", "tsconfig.json", "--singleThreaded"] };
const LINT: StepCommand = { name: "lint", command: "biome", args: ["ci", "--colors=off", "--max-diagnostics=100"] };

function tell(line: string): void {
  console.error(`muster: ${line}`);
}

/** Gets the programs for tests that no package brings. It does so once, so that the test files do not all get them at the same time. */
async function provision(): Promise<{ result: StepResult; env: Record<string, string> }> {
  const env: Record<string, string> = {};
  const result = await runStep("nats-server", async () => {
    env["NATS_SERVER"] = await provisionNatsServer(tell);
  });
  const cli = await provisionNatsCli(tell);
  if (cli.path === undefined) {
    const reasons = cli.refusals.map(({ source, reason }) => `${source}: ${reason}`).join("; ");
    console.log(`# the nats command line cannot be had (${reasons}), so no test publishes with it`);
  }
  const chromium = await provisionChromium(tell);
  if (chromium.path !== undefined) env["CHROMIUM"] = chromium.path;
  else {
    const reasons = chromium.refusals.map(({ source, reason }) => `${source}: ${reason}`).join("; ");
    console.log(`# a Chromium cannot be had (${reasons}), so no test opens the dashboard in a browser`);
  }
  return { result, env };
}

function show({ name, failed, report }: StepResult): void {
  console.log(failed === 0 ? `# ${name}: good` : `# ${name}: ${failed} failed\n${report}`);
}

/** Runs the suites with these variables in their environment. */
async function runSuites(env: Readonly<Record<string, string>>): Promise<StepResult> {
  await writeGroups(ROOT);
  const args = ["--config=gate.config.mjs"];
  const bundle = { [BUNDLE_VARIABLE]: join(ROOT, "infra", "bundle", "dist") };
  await using turns = await openTurns();
  const more = { ...bundle, [TURNS_VARIABLE]: turns.path };
  return await runAva(ROOT, { env: { ...env, ...more }, args, leaveOut: GROUP_IN_TITLE });
}

async function main(): Promise<void> {
  // The suites run on one PostgreSQL server, except the tests that kill their own. It starts beside the checks.
  const starting = startSharedTestServer();
  starting.catch(() => undefined); // it is awaited below
  const provisioned = provision();
  const checks = [
    runCommandStep(ROOT, TYPES),
    runCommandStep(ROOT, LINT),
    runStep("rules", () => checkRules(ROOT)),
    runCommandStep(ROOT, BUILD),
    provisioned.then(({ result }) => result),
  ];
  const results = await Promise.all(
    checks.map(async (check) => {
      const result = await check;
      show(result);
      return result;
    }),
  );
  await using postgres = await starting;
  const ava = await runSuites({ ...(await provisioned).env, ...postgres.env });
  show(ava);
  results.push(ava);
  const sum = (count: "passed" | "failed") => results.reduce((total, result) => total + result[count], 0);
  for (const { name, failed } of results) if (failed > 0) console.log(`# failed: ${name}`);
  console.log(`${sum("passed")} passed, ${sum("failed")} failed`);
  process.exitCode = sum("failed") === 0 ? 0 : 1;
}

await main();
