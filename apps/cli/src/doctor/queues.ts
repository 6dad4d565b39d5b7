import { escapeControls } from "@muster/service";
import type { Broker } from "@muster/tasks";
import { count } from "../print/output.ts";
import { describePause } from "../print/pause.ts";
import { type HeldBy, readQueues } from "../queue/held.ts";
import { nameOfTarget, resumeCommand } from "../queue/target.ts";
import { type Finding, good, warning } from "./finding.ts";

const ABOUT = "queues";
/** Largest number of pauses that are named. The others are counted. */
const NAMED = 10;

function describe({ pause: { target, note }, ready }: HeldBy): string {
  const why = describePause(note);
  const what = `${count(ready, "task")} ${ready === 1 ? "waits" : "wait"} because ${nameOfTarget(target)} ${target.task === undefined ? "are" : "is"} paused`;
  return `${what} (${why}); \`${resumeCommand(target)}\``;
}

/** Reports work that waits because somebody has paused it. */
export async function examineQueues(broker: Broker): Promise<readonly Finding[]> {
  const { pauses } = await readQueues(broker);
  if (pauses.length === 0) return [good(ABOUT, "nothing is paused")];
  const holding = pauses.filter(({ ready }) => ready > 0);
  if (holding.length === 0) return [good(ABOUT, `${count(pauses.length, "pause")}, and nothing waits because of that`)];
  const named = holding.slice(0, NAMED).map((each) => warning(ABOUT, escapeControls(describe(each))));
  const more = holding.length - named.length;
  return more === 0
    ? named
    : [...named, warning(ABOUT, `${count(more, "more pause")} hold tasks; see \`muster queue list\``)];
}
