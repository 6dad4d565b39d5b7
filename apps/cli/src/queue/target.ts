import type { Broker } from "@muster/tasks";
import type { QueueTarget } from "@muster/tasks/operate";
import { UsageError } from "../run/failure.ts";
import { checkActive, taskNamed } from "../run/names.ts";
import { readConfigurationAloud } from "../run/servers.ts";

/** The target that a command line names. Throws {@linkcode UsageError} where it names none. */
export function targetFrom(task: string | undefined, vo: string | undefined): QueueTarget {
  if (task !== undefined) return vo === undefined ? { task } : { task, vo };
  if (vo !== undefined) return { vo };
  throw new UsageError("Nothing to pause: name a task, a VO with --vo, or both");
}

/** Throws {@linkcode UsageError} unless the task is known and may have the VO. Its names are right by themselves. */
export async function checkTask({ task, vo }: QueueTarget): Promise<void> {
  if (task === undefined) return;
  const { per } = await taskNamed(task);
  if (vo !== undefined && per === "all") throw new UsageError(`${task} is not per VO; leave --vo out`);
}

/** Throws unless the VO is configured. A pause of a misspelt one would hold nothing, and nobody would notice. */
export async function checkVo(broker: Broker, { vo }: QueueTarget): Promise<void> {
  if (vo !== undefined) checkActive(await readConfigurationAloud(broker), vo);
}

/** `MyPilotTask`, `all tasks of lhcb` or `MyPilotTask of lhcb`. */
export function nameOfTarget({ task, vo }: QueueTarget): string {
  if (task === undefined) return `all tasks of ${vo}`;
  return vo === undefined ? task : `${task} of ${vo}`;
}

/** The words with which a target is resumed. */
export function resumeCommand({ task, vo }: QueueTarget): string {
  return [
    "muster queue resume",
    ...(task === undefined ? [] : [task]),
    ...(vo === undefined ? [] : [`--vo ${vo}`]),
  ].join(" ");
}
