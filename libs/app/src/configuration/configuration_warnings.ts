// Tested by apps/cli/src/config/wrong_files_test.ts
import { type AnyTask, lockTypeNames, NO_VO, parseSchedule } from "@muster/tasks";
import { nearestName, timesFrom } from "@muster/tasks/operate";
import type { GoodConfiguration } from "./read_configuration.ts";
import type { SourceProblem } from "./yaml_source.ts";

function told(read: GoodConfiguration, path: readonly string[], text: string): SourceProblem {
  return { ...read.placeOf(path), text };
}

function guess(name: string, names: readonly string[]): string {
  const meant = nearestName(name, names);
  return meant === undefined ? "" : `; did you mean ${meant}?`;
}

/** Every VO that the file names for a task, and where. */
function vosOfTasks({
  file,
}: GoodConfiguration): readonly { readonly task: string; readonly vo: string; readonly path: string[] }[] {
  return Object.entries(file.tasks ?? {}).flatMap(([task, { vos = {}, instances = {} }]) => [
    ...Object.keys(vos).map((vo) => ({ task, vo, path: ["tasks", task, "vos", vo] })),
    ...Object.entries(instances).flatMap(([instance, { vos: ofInstance = [] }]) =>
      ofInstance.map((vo) => ({ task, vo, path: ["tasks", task, "instances", instance, "vos"] })),
    ),
  ]);
}

/** Warns of VOs of tasks that the file does not name: what the tasks have for them has no effect. */
function warningsOfVos(read: GoodConfiguration): readonly SourceProblem[] {
  const vos = Object.keys(read.file.vos ?? {});
  return vosOfTasks(read)
    .filter(({ vo }) => vo !== NO_VO && !vos.includes(vo))
    .map(({ task, vo, path }) => {
      const what = `vos does not name ${vo}, so what ${task} has for it has no effect`;
      return told(read, path, `${what}${guess(vo, vos)}`);
    });
}

function warningOfTask(task: string, read: GoodConfiguration, known: readonly AnyTask[]): readonly SourceProblem[] {
  const per = known.find(({ name }) => name === task)?.per;
  return Object.keys(read.file.tasks?.[task]?.vos ?? {})
    .filter((vo) => (per === "all" && vo !== NO_VO) || (per === "vo" && vo === NO_VO))
    .map((vo) => {
      const what =
        per === "all" ? `${task} is not per VO, so what it has for ${vo}` : `${task} is per VO, so what it has for _`;
      return told(read, ["tasks", task, "vos", vo], `${what} has no effect`);
    });
}

/** Warns of limits of a lock type whose name is nearly that of one which this program knows. Other extensions may have more of them. */
function warningsOfLimits(read: GoodConfiguration): readonly SourceProblem[] {
  const known = lockTypeNames();
  return Object.keys(read.file.limits ?? {}).flatMap((name) => {
    const lockType = name.split(".", 1)[0] ?? "";
    const meant = known.includes(lockType) ? undefined : nearestName(lockType, known);
    if (meant === undefined) return [];
    const what = `this program knows no lock type ${lockType}, so its limits may have no effect`;
    return [told(read, ["limits", name], `${what}; did you mean ${meant}?`)];
  });
}

/** Warns of schedules that are never due: a rule that has ended, or an instance for no VO. */
function warningsOfSchedules(read: GoodConfiguration): readonly SourceProblem[] {
  const from = new Date();
  const say = (path: readonly string[], text: string) => told(read, path, `${path.join(".")} ${text}`);
  const ended = (path: readonly string[], schedule: string | undefined) =>
    schedule === undefined || timesFrom(parseSchedule(schedule), { from, times: 1 }).length > 0
      ? []
      : [say([...path, "schedule"], "has ended, so it is never due again; give it a later end, or none")];
  return Object.entries(read.file.tasks ?? {}).flatMap(([task, { schedule, vos = {}, instances = {} }]) => [
    ...ended(["tasks", task], schedule),
    ...Object.entries(vos).flatMap(([vo, of]) => ended(["tasks", task, "vos", vo], of.schedule)),
    ...Object.entries(instances).flatMap(([instance, of]) => {
      const path = ["tasks", task, "instances", instance];
      const nobody =
        of.vos?.length === 0
          ? [say([...path, "vos"], "is empty, so it is never due; name VOs, or leave vos out for all")]
          : [];
      return [...ended(path, of.schedule), ...nobody];
    }),
  ]);
}

/**
 * What is probably a mistake in a configuration and can be in force all the same. `known` are the tasks of this program. `served` names those of
 * running workers: a task of another application is in neither list while none of its workers runs.
 */
export function configurationWarnings(
  read: GoodConfiguration,
  known: readonly AnyTask[],
  served: readonly string[],
): readonly SourceProblem[] {
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
        return told(read, ["tasks", task], `${what}${guess(task, names)}`);
      }),
  ];
}
