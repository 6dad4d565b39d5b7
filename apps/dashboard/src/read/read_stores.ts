// Tested by apps/dashboard/src/serve/serve_test.ts
import { printConfiguration } from "@muster/app/configuration";
import {
  childrenOfGroup,
  doesNotFire,
  fileOf,
  findConfiguration,
  type GroupState,
  listAudit,
  listGroups,
  readConfiguration,
  readGroup,
  type ScheduleRow,
  scheduleTable,
} from "@muster/tasks/operate";
import type { AuditData, ConfigurationData, GroupData, GroupDetailsData, GroupsData, SchedulesData } from "./shapes.ts";
import { shared } from "./shared.ts";
import type { Sources } from "./sources.ts";

/** Age up to which what was read for one viewer does for the next one, ms. */
const FRESH_MS = 1_500;
/** Audit records in one page. */
const PAGE = 50;
/** Children of a group that are shown. */
const CHILDREN = 200;

/** Which audit records are wanted. */
export interface AuditChoice {
  readonly action?: string | undefined;
  readonly who?: string | undefined;
  readonly target?: string | undefined;
  readonly before?: number | undefined;
}

/** What a group waits for, or how it ended. */
function stateOf({ closed, callback }: GroupState): string {
  if (callback !== null) return `called: ${callback.outcome}`;
  if (closed === null) return "open";
  return closed.why === "all ended" ? "calling" : `calling: ${closed.why}`;
}

function groupData(group: GroupState): GroupData {
  const { id, total, ended, failed, parent, policy, sealedAt, deadlineAt, then, callback, closed } = group;
  return {
    ...{ id, state: stateOf(group), total, ended, failed, parent, policy, sealedAt, deadlineAt },
    callback: { task: then.task, vo: then.vo, taskId: then.taskId, outcome: callback?.outcome ?? null },
    open: closed === null,
  };
}

function scheduleData({
  since,
  next,
  isOccupied,
  pause,
  dueSince,
  ...row
}: ScheduleRow): SchedulesData["schedules"][number] {
  const note = pause && { pausedAt: pause.pausedAt ?? null, by: pause.by ?? null, reason: pause.reason ?? null };
  return {
    ...{ task: row.task, vo: row.vo, instance: row.instance, schedule: row.schedule, timeZone: row.timeZone },
    ...{ state: row.state, leader: row.leader, occupied: isOccupied, pause: note },
    last: since?.toISOString() ?? null,
    next: next[0]?.toISOString() ?? null,
    late: doesNotFire({ leader: row.leader, dueSince }, Date.now()) ? (dueSince?.toISOString() ?? null) : null,
  };
}

async function readGroupDetails(broker: Sources["broker"], id: string): Promise<GroupDetailsData | undefined> {
  const group = await readGroup(broker, id);
  if (group === undefined) return undefined;
  const children: GroupDetailsData["children"] = [];
  let notDone = 0;
  for await (const { key, outcome, task, vo, taskId, error } of childrenOfGroup(broker, group)) {
    if (outcome === "done") continue;
    const word = group.closed === null && outcome === "missing" ? "not ended" : outcome;
    if (notDone++ < CHILDREN) children.push({ key, outcome: word, task, vo, taskId, error: error ?? null });
  }
  return { group: groupData(group), children, notDone };
}

/** The readers of what the stores keep: groups, schedules, the configuration and the audit. */
export function storeReaders({ broker, composition }: Pick<Sources, "broker" | "composition">) {
  return {
    groups: shared(async (_: undefined): Promise<GroupsData> => {
      return { groups: (await listGroups(broker)).map(groupData).reverse() };
    }, 2 * FRESH_MS),

    group: shared((id: string) => readGroupDetails(broker, id), FRESH_MS),

    schedules: shared(async (_: undefined): Promise<SchedulesData> => {
      const configuration = await readConfiguration(broker);
      return {
        schedules: (await scheduleTable(broker, { tasks: composition.tasks, configuration })).map(scheduleData),
      };
    }, FRESH_MS),

    configuration: shared(async (_: undefined): Promise<ConfigurationData> => {
      const { configuration, revision, problem, unknown } = await findConfiguration(broker);
      return {
        revision,
        yaml: printConfiguration(fileOf(configuration)),
        problem: problem?.text ?? null,
        unknown: [...unknown],
      };
    }, FRESH_MS),

    audit: shared(async (choice: AuditChoice): Promise<AuditData> => {
      const { records, next } = await listAudit(broker, { ...choice, limit: PAGE });
      return {
        records: records.map(({ detail, ...record }) => ({ ...record, detail: detail ?? null })),
        next: next ?? null,
      };
    }, FRESH_MS),
  };
}
