import { escapeControls } from "@muster/service";
import type { Broker } from "@muster/tasks";
import { listUnknownVos, readConfiguration, type UnknownVo } from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { sumOf } from "../print/sum_up.ts";
import { shortly } from "../print/time.ts";
import { type Finding, warning } from "./finding.ts";

/** VOs that are named; the others are counted. */
const NAMED = 10;

function describe({ vo, count: number, oldestAt }: UnknownVo): string {
  const age = oldestAt === null ? "" : `, the oldest for ${shortly(Date.now() - oldestAt.getTime())}`;
  return `${count(number, "task")} of VO ${vo}, which is not configured, cannot run${age}; add it: muster vo add ${vo}`;
}

/** Tasks that wait for a VO that is not configured, as after the configuration was lost. Nobody runs them, and nobody puts them away. */
export async function examineUnknownVos(broker: Broker): Promise<readonly Finding[]> {
  const unknown = await listUnknownVos(broker, await readConfiguration(broker));
  const named = unknown.slice(0, NAMED).map((each) => warning("tasks", escapeControls(describe(each))));
  const others = unknown.slice(NAMED);
  if (others.length === 0) return named;
  const tasks = count(
    sumOf(others, (each) => each.count),
    "task",
  );
  const text = `${tasks} of ${count(others.length, "other VO")} that are not configured cannot run; see \`muster task list\``;
  return [...named, warning("tasks", text)];
}
