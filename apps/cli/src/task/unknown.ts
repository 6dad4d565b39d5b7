import type { NewerPayload, UnknownTask } from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { linesOf, sumOf } from "../print/sum_up.ts";
import { shortly } from "../print/time.ts";

/** Largest number of VOs that one line names. */
const NAMED_VOS = 3;

function whoseAre(vos: readonly string[]): string {
  return vos.length <= NAMED_VOS ? vos.join(", ") : count(vos.length, "VO");
}

function line({ task, count: number, vos, oldestAt }: UnknownTask): string {
  const whose = whoseAre(vos);
  const age = oldestAt === null ? "" : `, the oldest for ${shortly(Date.now() - oldestAt.getTime())}`;
  return `no running worker knows ${task}: ${count(number, "task")} of ${whose}${age}`;
}

function rest(others: readonly UnknownTask[]): string {
  const vos = new Set(others.flatMap((each) => each.vos)).size;
  const tasks = count(
    sumOf(others, (each) => each.count),
    "task",
  );
  return `and ${count(others.length, "more name")} that no running worker knows: ${tasks} of ${count(vos, "VO")}`;
}

/** Returns a line for each of the first names that no running worker knows, and one line for all others. The text is not escaped. */
export function describeUnknown(unknown: readonly UnknownTask[]): readonly string[] {
  return linesOf(unknown, line, rest);
}

/** Returns a line for each version of a payload that no running worker knows. The text is not escaped. */
export function describeNewer(newer: readonly NewerPayload[]): readonly string[] {
  return newer.map(({ task, version, vos, count: number, oldestAt }) => {
    const age = shortly(Date.now() - Date.parse(oldestAt));
    return `no running worker knows version ${version} of ${task}'s payload: ${count(number, "task")} of ${whoseAre(vos)}, the oldest for ${age}; start a newer worker`;
  });
}
