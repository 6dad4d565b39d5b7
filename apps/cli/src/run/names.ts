import { type AnyTask, NO_VO, type PublishableTask } from "@muster/tasks";
import type { Configuration } from "@muster/tasks/operate";
import { knownTasks } from "./extensions.ts";
import { UsageError } from "./failure.ts";

/** The known task of this name, or undefined. */
export async function findTask(name: string): Promise<AnyTask | undefined> {
  return (await knownTasks()).find((task) => task.name === name);
}

/** Returns the task of this name that one of our extensions brings. Throws {@linkcode UsageError}, which lists the existing names. */
export async function taskNamed(name: string): Promise<AnyTask> {
  const task = await findTask(name);
  if (task !== undefined) return task;
  const names = (await knownTasks()).map((each) => each.name).join(", ");
  throw new UsageError(
    `There is no task ${JSON.stringify(name)}; there are ${names}. If an extension brings it, name that in MUSTER_EXTENSIONS`,
  );
}

/** Throws {@linkcode UsageError} if a task per VO has no `vo`, or another task has one. */
export function checkVoFits({ name, per }: Pick<PublishableTask, "name" | "per">, vo: string | undefined): void {
  const isGiven = vo !== undefined && vo !== NO_VO;
  if (per === "vo" && !isGiven) throw new UsageError(`${name} is per VO; name one with --vo`);
  if (per === "all" && isGiven) throw new UsageError(`${name} is not per VO; leave --vo out`);
}

/** Says what is wrong with `vo`, which is not an active VO. */
function problemOf({ vos }: Configuration, vo: string): string | undefined {
  if (vos[vo]?.state === "active") return undefined;
  const names = Object.keys(vos).filter((name) => vos[name]?.state === "active");
  const known = names.length === 0 ? "there is none yet" : `there are ${names.slice(0, 20).join(", ")}`;
  return `VO ${JSON.stringify(vo)} is not configured (${known})`;
}

/** Throws unless `vo` is the name of an active VO. A task that is published for any other VO would become a dead letter. */
export function checkActive(configuration: Configuration, vo: string | undefined): void {
  if (vo === undefined || vo === NO_VO) return;
  const problem = problemOf(configuration, vo);
  if (problem !== undefined) throw new Error(`${problem}; add it with \`muster vo add ${vo}\``);
}

/** Throws unless this VO exists, so that it can be removed. */
export function checkRemovable(configuration: Configuration, vo: string): void {
  const problem = problemOf(configuration, vo);
  if (problem !== undefined) throw new Error(`${problem}; nothing was removed`);
}

/**
 * Throws where pilots of `vo` may still be checked. That is so if the VO is active. It is also so without any VO: then the configuration is
 * probably lost.
 */
export function checkGone({ vos }: Configuration, vo: string): void {
  if (vos[vo]?.state === "active") {
    throw new Error(
      `VO ${JSON.stringify(vo)} is configured, and its pilots are checked; remove it first with \`muster vo remove ${vo}\``,
    );
  }
  if (Object.keys(vos).length > 0) return;
  throw new Error("The configuration has no VO, so it may have been lost; add the existing VOs first");
}
