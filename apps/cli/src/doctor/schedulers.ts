import { escapeControls } from "@muster/service";
import { type Broker, isPeriodic } from "@muster/tasks";
import {
  findLeaders,
  isTaskCharge,
  listUnserved,
  measureClock,
  readConfiguration,
  type ScheduleRow,
  scheduleTable,
} from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { knownTasks } from "../run/extensions.ts";
import { bad, type Finding, good, warning } from "./finding.ts";

const ABOUT = "scheduler";

/** The schedules that nobody leads and whose time has passed, the oldest first. */
async function listDue(broker: Broker): Promise<readonly (ScheduleRow & { readonly dueSince: Date })[]> {
  const [tasks, configuration] = [await knownTasks(), await readConfiguration(broker)];
  const now = Date.now() - (await measureClock(broker));
  const rows = await scheduleTable(broker, { tasks, configuration, now });
  return rows
    .flatMap((row) => (row.leader === null && row.dueSince !== null ? [{ ...row, dueSince: row.dueSince }] : []))
    .sort((a, b) => a.dueSince.getTime() - b.dueSince.getTime());
}

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
  const unled = leaders.size === 0 ? [] : [...ours].filter((name) => !leaders.has(name));
  const due = unled.length === 0 ? [] : await listDue(broker);
  for (const name of unled) {
    const what = `no running one leads ${name}: its schedules do not fire; start apps/scheduler`;
    const first = due.find(({ task }) => task === name);
    const since =
      first === undefined
        ? ""
        : ` (${name}/${first.vo}/${first.instance} is due since ${first.dueSince.toISOString()})`;
    findings.push(bad(ABOUT, what + since));
  }
  const others = await listUnserved(broker, (task) => leaders.has(task) || ours.has(task));
  for (const { task, schedules, longest } of others) {
    const what = `no running one leads ${task}: its ${count(schedules, "schedule")} do not fire`;
    const forget = `\`nats stream purge TASKS --subject 'markers.${task}.>'\` where ${task} is no more`;
    const last = longest === undefined ? "" : ` (${longest.key} last came for ${longest.lastAt.toISOString()})`;
    findings.push(bad(ABOUT, escapeControls(`${what}; start the scheduler of its application, or ${forget}${last}`)));
  }
  return findings;
}
