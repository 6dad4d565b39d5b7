// Tested by apps/cli/src/config/wrong_files_test.ts
import { type AnyTask, lockTypeNames, NO_VO, parseSchedule } from "@muster/tasks";
import {
  checkConfigurationFile,
  type ConfigurationFile,
  type FieldProblem,
  instanceProblems,
  nearestName,
  timesFrom,
} from "@muster/tasks/operate";
import { knownTasks } from "../run/extensions.ts";
import { UsageError } from "../run/failure.ts";
import { nameOfFile, readText } from "./read_file.ts";
import { type Place, readYaml, type SourceProblem, type YamlSource } from "./yaml_source.ts";

/** Greatest number of mistakes that are told one by one. */
const TOLD = 100;
/** Greatest number of characters that are shown of a wrong value. */
const SHOWN = 60;

/** A file that can be applied. */
export interface ReadFile {
  /** As messages name it. */
  readonly name: string;
  readonly file: ConfigurationFile;
  /** `FILE:LINE:COLUMN` of what stands under a path. */
  placeOf(path: readonly string[]): string;
}

function at(name: string, { line, column }: Place): string {
  return `${name}:${line}:${column}`;
}

/** What stands under a path; undefined: nothing. */
function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return undefined;
    found = Object.entries(found).find(([each]) => each === key)?.[1];
  }
  return found;
}

/** Whether a text is what YAML 1.1 took for a boolean. */
const OLD_BOOLEAN = /^(?:yes|no|on|off|y|n)$/i;

function hintFor(found: unknown, text: string): string {
  if (found === null) return "; give it a value, or leave the field out";
  const isOld = typeof found === "string" && OLD_BOOLEAN.test(found);
  return isOld && text.includes("expected boolean") ? "; write true or false" : "";
}

function toSourceProblem({ path, at: side, text }: FieldProblem, source: YamlSource): SourceProblem {
  const found = side === "value" ? valueAt(source.value, path) : undefined;
  const isPlain = found !== undefined && (found === null || typeof found !== "object");
  const shown = isPlain && !text.includes(String(found)) ? ` (it is ${JSON.stringify(found).slice(0, SHOWN)})` : "";
  const where = path.length === 0 ? "the file" : path.join(".");
  return { ...source.placeOf(path, side), text: `${where}: ${text}${shown}${hintFor(found, text)}` };
}

function byPlace(one: Place, other: Place): number {
  return one.line - other.line || one.column - other.column;
}

function describe(name: string, problems: readonly SourceProblem[]): string {
  const sorted = [...problems].sort(byPlace);
  const told = sorted.slice(0, TOLD).map((problem) => `${at(name, problem)}: ${problem.text}`);
  const more = sorted.length - told.length;
  const number = sorted.length === 1 ? "1 mistake is" : `${sorted.length.toLocaleString("en")} mistakes are`;
  return [
    `Cannot use ${name}: ${number} in it; mend all of them, nothing was changed`,
    ...told,
    ...(more > 0 ? [`and ${more.toLocaleString("en")} more`] : []),
  ].join("\n");
}

/** What the tasks of this program refuse of their named schedules: a payload, VOs, or that there is no schedule. */
async function problemsOfInstances(file: ConfigurationFile, source: YamlSource): Promise<readonly SourceProblem[]> {
  return (await knownTasks()).flatMap((task) => {
    const settings = file.tasks?.[task.name];
    if (settings === undefined) return [];
    return instanceProblems(task, settings).map(({ instance, message }) => {
      const path = ["tasks", task.name, "instances", instance];
      return { ...source.placeOf(path, "key"), text: `${path.join(".")}: ${message}` };
    });
  });
}

/** Reads a file and checks all of it. Asks no server. Throws {@linkcode UsageError} with the line and column of each mistake. */
export async function readFile(path: string): Promise<ReadFile> {
  const name = nameOfFile(path);
  const source = readYaml(await readText(path));
  // What cannot be read as YAML may be taken for anything. Only its first reading says what is wrong.
  const checked = source.isYaml ? checkConfigurationFile(source.value) : undefined;
  const wrong = checked?.kind === "wrong" ? checked.problems.map((problem) => toSourceProblem(problem, source)) : [];
  const refused = checked?.kind === "good" ? await problemsOfInstances(checked.file, source) : [];
  const problems = [...source.problems, ...wrong, ...refused];
  if (checked?.kind !== "good" || problems.length > 0) throw new UsageError(describe(name, problems));
  return { name, file: checked.file, placeOf: (field) => at(name, source.placeOf(field, "key")) };
}

function guess(name: string, names: readonly string[]): string {
  const meant = nearestName(name, names);
  return meant === undefined ? "" : `; did you mean ${meant}?`;
}

/** Every VO that the file names for a task, and where. */
function vosOfTasks({
  file,
}: ReadFile): readonly { readonly task: string; readonly vo: string; readonly path: string[] }[] {
  return Object.entries(file.tasks ?? {}).flatMap(([task, { vos = {}, instances = {} }]) => [
    ...Object.keys(vos).map((vo) => ({ task, vo, path: ["tasks", task, "vos", vo] })),
    ...Object.entries(instances).flatMap(([instance, { vos: ofInstance = [] }]) =>
      ofInstance.map((vo) => ({ task, vo, path: ["tasks", task, "instances", instance, "vos"] })),
    ),
  ]);
}

/** Warns of VOs of tasks that the file does not name: what the tasks have for them has no effect. */
function warningsOfVos(read: ReadFile): readonly string[] {
  const vos = Object.keys(read.file.vos ?? {});
  return vosOfTasks(read)
    .filter(({ vo }) => vo !== NO_VO && !vos.includes(vo))
    .map(({ task, vo, path }) => {
      const what = `vos does not name ${vo}, so what ${task} has for it has no effect`;
      return `${read.placeOf(path)}: ${what}${guess(vo, vos)}`;
    });
}

function warningOfTask(task: string, { file, placeOf }: ReadFile, known: readonly AnyTask[]): readonly string[] {
  const per = known.find(({ name }) => name === task)?.per;
  return Object.keys(file.tasks?.[task]?.vos ?? {})
    .filter((vo) => (per === "all" && vo !== NO_VO) || (per === "vo" && vo === NO_VO))
    .map((vo) => {
      const what =
        per === "all" ? `${task} is not per VO, so what it has for ${vo}` : `${task} is per VO, so what it has for _`;
      return `${placeOf(["tasks", task, "vos", vo])}: ${what} has no effect`;
    });
}

/** Warns of limits of a lock type whose name is nearly that of one which this program knows. Other extensions may have more of them. */
function warningsOfLimits({ file, placeOf }: ReadFile): readonly string[] {
  const known = lockTypeNames();
  return Object.keys(file.limits ?? {}).flatMap((name) => {
    const lockType = name.split(".", 1)[0] ?? "";
    const meant = known.includes(lockType) ? undefined : nearestName(lockType, known);
    if (meant === undefined) return [];
    const what = `this program knows no lock type ${lockType}, so its limits may have no effect`;
    return [`${placeOf(["limits", name])}: ${what}; did you mean ${meant}?`];
  });
}

/** Warns of schedules that are never due: a rule that has ended, or an instance for no VO. */
function warningsOfSchedules({ file, placeOf }: ReadFile): readonly string[] {
  const from = new Date();
  const told = (path: readonly string[], text: string) => `${placeOf(path)}: ${path.join(".")} ${text}`;
  const ended = (path: readonly string[], schedule: string | undefined) =>
    schedule === undefined || timesFrom(parseSchedule(schedule), { from, times: 1 }).length > 0
      ? []
      : [told([...path, "schedule"], "has ended, so it is never due again; give it a later end, or none")];
  return Object.entries(file.tasks ?? {}).flatMap(([task, { schedule, vos = {}, instances = {} }]) => [
    ...ended(["tasks", task], schedule),
    ...Object.entries(vos).flatMap(([vo, of]) => ended(["tasks", task, "vos", vo], of.schedule)),
    ...Object.entries(instances).flatMap(([instance, of]) => {
      const path = ["tasks", task, "instances", instance];
      const nobody =
        of.vos?.length === 0
          ? [told([...path, "vos"], "is empty, so it is never due; name VOs, or leave vos out for all")]
          : [];
      return [...ended(path, of.schedule), ...nobody];
    }),
  ]);
}

/**
 * What is probably a mistake in a file and can be in force all the same. `known` are the tasks of this program. `served` names those of
 * running workers: a task of another application is in neither list while none of its workers runs.
 */
export function warningsOf(read: ReadFile, known: readonly AnyTask[], served: readonly string[]): readonly string[] {
  const names = [...new Set([...known.map(({ name }) => name), ...served])];
  const tasks = Object.keys(read.file.tasks ?? {});
  return [
    ...warningsOfVos(read),
    ...warningsOfLimits(read),
    ...warningsOfSchedules(read),
    ...tasks.flatMap((task) => warningOfTask(task, read, known)),
    ...tasks
      .filter((task) => !names.includes(task))
      .map((task) => {
        const what = `neither this program nor a running worker knows task ${task}, so what it has may have no effect`;
        return `${read.placeOf(["tasks", task])}: ${what}${guess(task, names)}`;
      }),
  ];
}
