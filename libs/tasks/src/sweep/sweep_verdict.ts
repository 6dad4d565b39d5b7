import type { AnyTask } from "../definition/task.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { checkInstanceName, InvalidNameError, NO_VO } from "../format/names.ts";
import { parseLongSubject, parseTaskSubject, type TaskAddress } from "../format/subject.ts";

/** What happens to the messages on one subject of TASKS. */
export type SweepVerdict =
  | { readonly kind: "keep" }
  /** The VO may be newer than our configuration. A dead letter once the message is old enough. */
  | { readonly kind: "unknown vo"; readonly reason: string }
  /** A dead letter at once: no change of the configuration would make it right. */
  | { readonly kind: "dead"; readonly reason: string }
  /** Its VO was removed, so nobody wants it any more. */
  | { readonly kind: "drop"; readonly reason: string }
  /** A newer worker may know the task. */
  | { readonly kind: "unknown task"; readonly task: string };

export interface SweepRules {
  readonly configuration: Configuration;
  /** By name. */
  readonly tasks: ReadonlyMap<string, AnyTask>;
}

/** The text of an error about a name that cannot be used. Throws any other error again. */
function problemOf(error: unknown): string {
  if (error instanceof InvalidNameError || error instanceof SyntaxError) return error.message;
  throw error;
}

/** Why no worker will ever see a message on `subject`; undefined: a worker that knows the task may see it. */
export function problemOfSubject(subject: string): string | undefined {
  // A delayed task whose subject is a pattern arrives from LATER with that subject.
  if (!subject.startsWith("tasks."))
    return `Cannot run a task on subject ${JSON.stringify(subject)}: no worker looks there; publish to tasks.<TaskName>.<vo>`;
  try {
    parseTaskSubject(subject);
    return undefined;
  } catch (error) {
    return problemOf(error);
  }
}

/** Judges a subject of TASKS that is not a marker's. */
export function judgeTaskSubject(subject: string, { configuration, tasks }: SweepRules): SweepVerdict {
  const problem = problemOfSubject(subject);
  if (problem !== undefined) return { kind: "dead", reason: problem };
  const address: TaskAddress = parseTaskSubject(subject);
  const { task, vo } = address;
  const per = tasks.get(task)?.per;
  if (vo === NO_VO && per === "vo")
    return { kind: "dead", reason: `Cannot run ${task} without a VO: it is per VO; publish to tasks.${task}.<vo>` };
  if (vo !== NO_VO && per === "all")
    return { kind: "dead", reason: `Cannot run ${task} for a VO: it is not per VO; publish to tasks.${task}._` };
  if (vo !== NO_VO) {
    const state = configuration.vos[vo]?.state;
    if (state === "removed") return { kind: "drop", reason: `VO ${vo} was removed` };
    if (state === undefined)
      return {
        kind: "unknown vo",
        reason: `Cannot run ${task} for VO ${vo}: it is not configured; add it and requeue`,
      };
  }
  return per === undefined ? { kind: "unknown task", task } : { kind: "keep" };
}

/** Whether the marker on `markers.<Task>.<vo>.<instance>` may still be needed. */
export function isMarkerWanted(subject: string, { configuration, tasks }: SweepRules): boolean {
  try {
    const { task, vo, last } = parseLongSubject(subject);
    checkInstanceName(last);
    const per = tasks.get(task)?.per;
    if (vo === NO_VO) return per !== "vo";
    return per !== "all" && configuration.vos[vo]?.state === "active";
  } catch (error) {
    problemOf(error);
    return false;
  }
}
