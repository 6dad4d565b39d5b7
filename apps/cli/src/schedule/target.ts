import { type AnyTask, isPeriodic, type JsonObject } from "@muster/tasks";
import { type Configuration, instanceProblems } from "@muster/tasks/operate";
import { UsageError } from "../run/failure.ts";
import { taskNamed } from "../run/names.ts";

/** Throws unless the task is periodic and can have this VO. */
export async function checkTarget(name: string, vo: string | undefined): Promise<AnyTask> {
  const task = await taskNamed(name);
  if (!isPeriodic(task)) throw new UsageError(`${name} is not periodic; it has no schedule`);
  if (vo !== undefined && task.per === "all") throw new UsageError(`${name} is not per VO; leave --vo out`);
  return task;
}

/** What `schedule set` gives an instance. */
export interface GivenInstance {
  readonly schedule: string;
  readonly payload?: JsonObject | undefined;
  readonly payloadVersion?: number | undefined;
  readonly vos?: readonly string[] | undefined;
}

/** Throws where the task cannot have an instance as it is given; its payload by what its schema says. Asks no server. */
export function checkInstance(task: AnyTask, instance: string, given: GivenInstance): void {
  const [problem] = instanceProblems(task, { instances: { [instance]: given } });
  if (problem !== undefined) throw new UsageError(problem.message);
}

/** Throws unless the definition or the configuration has the instance. */
export function checkInstanceThere(task: AnyTask, instance: string, { tasks }: Configuration): void {
  const own = [...(task.recurrence === undefined ? [] : ["default"]), ...Object.keys(task.instances)];
  const known = [...new Set([...own, ...Object.keys(tasks[task.name]?.instances ?? {})])];
  if (known.includes(instance)) return;
  throw new Error(`${task.name} has no instance ${JSON.stringify(instance)}; there are ${known.join(", ")}`);
}
