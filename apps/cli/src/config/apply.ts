// Tested by tests/src/cli/config_test.ts
import type { Broker } from "@muster/tasks";
import { printsText } from "../print/screen.ts";
import { audit } from "../run/audit.ts";
import { applyPlan, type ConfigurationPlan, listWorkers, planFile } from "@muster/tasks/operate";
import { Command, InvalidArgumentError } from "commander";
import { examples } from "../print/examples.ts";
import { type OutputOptions, print } from "../print/output.ts";
import { knownTasks } from "../run/extensions.ts";
import { complain, FailedError, UsageError } from "../run/failure.ts";
import { withBroker } from "../run/servers.ts";
import { countDropped, describeChanges, jsonOf, type ShownChange } from "./changes.ts";
import { readFile, type ReadFile, warningsOf } from "./check_file.ts";

const APPLY = [
  "muster config apply -f muster.yaml",
  "muster config apply -f muster.yaml --dry-run",
  "muster config apply -f muster.yaml --revision 12",
];
const DIFF = ["muster config diff -f muster.yaml", "muster config diff -f muster.yaml --exit-code"];

function parseRevision(text: string): number {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("A revision is a whole number, as `muster config diff` prints it.");
}

interface FileOptions extends OutputOptions {
  readonly file: string;
}

interface DiffOptions extends FileOptions {
  readonly exitCode?: boolean;
}

interface ApplyOptions extends FileOptions {
  readonly dryRun?: boolean;
  readonly allowEmpty?: boolean;
  readonly revision?: number;
}

/** A file beside the configuration in force. */
interface Compared {
  readonly plan: ConfigurationPlan;
  readonly changes: readonly ShownChange[];
  readonly warnings: readonly string[];
}

async function compare(broker: Broker, read: ReadFile): Promise<Compared> {
  const plan = await planFile(broker, read.file);
  const served = (await listWorkers(broker)).flatMap(({ tasks }) => tasks);
  const warnings = warningsOf(read, await knownTasks(), served);
  return { plan, changes: await countDropped(broker, plan.changes), warnings };
}

/** Says on standard error what is doubtful, and what is wrong with the configuration that the file replaces. */
function tellDoubts({ plan: { found }, warnings }: Compared): void {
  if (found.problem !== undefined) complain(found.problem.text);
  for (const warning of warnings) complain(`Warning: ${warning}`);
}

function describe({ plan: { found }, changes }: Compared, name: string): string {
  if (changes.length === 0) return `${name} says what revision ${found.newest} says: no difference`;
  return `From revision ${found.newest} to ${name}:\n${describeChanges(changes)}`;
}

async function diff({ file: path, exitCode, ...options }: DiffOptions): Promise<void> {
  const read = await readFile(path);
  const compared = await withBroker((broker) => compare(broker, read));
  tellDoubts(compared);
  const { plan, changes, warnings } = compared;
  print({ revision: plan.found.newest, changes: jsonOf(changes), warnings }, options, () =>
    describe(compared, read.name),
  );
  if (exitCode === true && changes.length > 0) throw new FailedError("They differ");
}

function refuseEmpty({ file, name }: ReadFile): void {
  if (Object.keys(file.vos ?? {}).length > 0) return;
  throw new UsageError(
    `Cannot apply ${name}: it names no VO, so all VOs would be removed and their waiting tasks be dropped; name them under vos, or give --allow-empty`,
  );
}

function checkRevision({ found }: ConfigurationPlan, revision: number | undefined): void {
  if (revision === undefined || revision === found.newest) return;
  throw new Error(
    `Cannot apply the file: revision ${found.newest} is the newest one, and not ${revision}; nothing was changed. Look at the difference again`,
  );
}

async function apply({ file: path, dryRun = false, allowEmpty, revision, ...options }: ApplyOptions): Promise<void> {
  const read = await readFile(path);
  if (allowEmpty !== true) refuseEmpty(read);
  await withBroker(async (broker) => {
    const compared = await compare(broker, read);
    const { plan, changes, warnings } = compared;
    checkRevision(plan, revision);
    tellDoubts(compared);
    // The difference is told first, so that it is known also where the write then fails.
    if (printsText()) console.log(describe(compared, read.name));
    const from = plan.found.newest;
    const written = dryRun ? from : await applyPlan(broker, plan);
    if (written !== from) {
      const detail = { from, revision: written, changes: jsonOf(changes) };
      await audit(broker, { action: "config.apply", target: "the configuration", detail });
    }
    const outcome = { dryRun, from, revision: written, changes: jsonOf(changes), warnings };
    const told = dryRun
      ? "Nothing was written: it was a dry run"
      : written === from
        ? "Nothing was written"
        : `In force as revision ${written}`;
    print(outcome, options, () => told);
  });
}

function withFile(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .requiredOption("-f, --file <file>", "the file, in YAML or JSON; - is standard input");
}

/** `muster config diff`. */
export function diffConfigurationCommand(): Command {
  return withFile("diff", "what a file would change, and how many waiting tasks that drops")
    .option("--exit-code", "exit with 1 where they differ")
    .option("--json", "print JSON")
    .addHelpText("after", examples(...DIFF))
    .action(diff);
}

/** `muster config apply`. */
export function applyConfigurationCommand(): Command {
  return withFile("apply", "make a file the whole configuration; refused whole if anything in it is wrong")
    .option("--dry-run", "show the difference, and write nothing")
    .option("--allow-empty", "take also a file that names no VO: all VOs are removed")
    .option(
      "--revision <revision>",
      "only where this is still the newest revision, as diff has shown it",
      parseRevision,
    )
    .option("--json", "print JSON")
    .addHelpText("after", examples(...APPLY))
    .action(apply);
}
