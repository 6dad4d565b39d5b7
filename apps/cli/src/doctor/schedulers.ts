import { escapeControls } from "@muster/service";
import { type Broker, isPeriodic } from "@muster/tasks";
import { findLeaders, isTaskCharge, listUnserved } from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { knownTasks } from "../run/extensions.ts";
import { bad, type Finding, good, warning } from "./finding.ts";

const ABOUT = "scheduler";

/** Reports whether each schedule has a scheduler that fires it, and names those that have none. */
export async function examineSchedulers(broker: Broker): Promise<readonly Finding[]> {
  const { leaders, foreign } = await findLeaders(broker);
  const findings: Finding[] = [];
  if (foreign !== undefined) {
    const value = escapeControls(JSON.stringify(foreign));
    const found = `key scheduler.leader of bucket locks holds ${value}, which names no leaders`;
    findings.push(warning(ABOUT, `${found}; any running scheduler replaces it`));
  }
  if (leaders.size === 0) findings.push(bad(ABOUT, "none leads, so periodic tasks do not come; start one"));
  for (const [worker, charges] of Map.groupBy(leaders.keys(), (charge) => leaders.get(charge) ?? "")) {
    const tasks = charges.filter(isTaskCharge);
    const led = tasks.length === 0 ? "what belongs to no task" : tasks.join(", ");
    findings.push(good(ABOUT, escapeControls(`${worker} leads ${led}`)));
  }
  const known = await knownTasks();
  const ours = new Set(known.filter(isPeriodic).map(({ name }) => name));
  // If there is no leader at all, another finding has already said so.
  for (const name of leaders.size === 0 ? [] : ours) {
    if (leaders.has(name)) continue;
    findings.push(bad(ABOUT, `no running one leads ${name}: its schedules do not fire; start apps/scheduler`));
  }
  const others = await listUnserved(broker, (task) => leaders.has(task) || ours.has(task));
  for (const { task, schedules } of others) {
    const what = `no running one leads ${task}: its ${count(schedules, "schedule")} do not fire`;
    const forget = `\`nats stream purge TASKS --subject 'markers.${task}.>'\` where ${task} is no more`;
    findings.push(bad(ABOUT, `${what}; start the scheduler of its application, or ${forget}`));
  }
  return findings;
}
