// Tested by tests/src/cli/cancel_test.ts
import {
  type Cancelled,
  cancelGroup,
  cancelTask,
  findTask,
  type GroupState,
  listGroups,
  noteTooLate,
  readGroup,
} from "@muster/tasks/operate";
import type { Broker } from "@muster/tasks";
import { Command } from "commander";
import { type OutputOptions, print } from "../print/output.ts";
import { audit } from "../run/audit.ts";
import { FailedError } from "../run/failure.ts";
import { withBroker, withDatabaseIfKnown } from "../run/servers.ts";
import { parseReason, parseTaskId } from "../run/values.ts";
import { whoRunsThis } from "../run/who.ts";

const EXAMPLES = `
Examples:
  muster task cancel 0198c3f2-7a51-7cc4-9d58-0a4f7d1f3f55
  muster task cancel nightly-probe --reason "wrong dataset" --json
  muster task cancel nightly-probe --group`;

interface CancelOptions extends OutputOptions {
  readonly reason?: string;
  readonly group?: boolean;
}

/** What became of the wish: of the task's own, unless the id was a group's, and of its groups'. */
interface Answer {
  readonly task: Cancelled | undefined;
  readonly groups: readonly GroupState[];
}

function whereItIs(found: Exclude<Extract<Cancelled, { kind: "requested" }>["found"], "nowhere">): string {
  if (found === "unknown") return "more tasks wait than were looked at";
  const { task, vo, stream } = found;
  return stream === "LATER"
    ? `${task} of ${vo} waits for its time; a scheduler puts it away`
    : `${task} of ${vo} waits for a worker, or runs`;
}

function describe(answer: Cancelled): string {
  const { kind, taskId } = answer;
  if (kind === "cancelled") return `cancelled ${taskId}`;
  if (kind === "too late") return `too late: ${taskId} is ${answer.outcome}`;
  const { found, expiresAt } = answer;
  const kept = `what is pulled under this id until ${expiresAt} is cancelled`;
  if (found !== "nowhere") return `requested: ${whereItIs(found)}; ${kept}`;
  return `no task ${taskId} is known: neither streams, ledger, results nor events tell of it; check the id. The wish is kept: ${kept}`;
}

function describeGroup({ id, ended, total, closed }: GroupState): string {
  if (closed !== null) return `too late: group ${id} is closed`;
  return `cancelled group ${id}: ${total - ended} of its ${total} children had not ended`;
}

function show({ task, groups }: Answer): string {
  return [...(task === undefined ? [] : [describe(task)]), ...groups.map(describeGroup)].join("\n");
}

/** Whether nothing was cancelled, and no wish is kept. */
function isTooLate({ task, groups }: Answer): boolean {
  return task?.kind !== "cancelled" && task?.kind !== "requested" && groups.every(({ closed }) => closed !== null);
}

/** Whether nothing tells of what was to be cancelled. */
function isUnknown({ task, groups }: Answer): boolean {
  return task?.kind === "requested" && task.found === "nowhere" && groups.length === 0;
}

type Asked = Parameters<typeof cancelTask>[2];

/** Cancels the task. Where no message of it is found, results and events are asked as well: it may have ended where no ledger tells. */
async function cancelOne(broker: Broker, id: string, asked: Asked): Promise<Cancelled> {
  const cancelled = await cancelTask(broker, id, asked);
  if (cancelled.kind !== "requested" || cancelled.found !== "nowhere") return cancelled;
  const { taskId } = cancelled;
  const { state, stream, task, vo } = await findTask(broker, id, asked?.ledger && { ledger: asked.ledger });
  const ended = state === "refused" ? "dead" : state;
  if (ended === "done" || ended === "dropped" || ended === "cancelled" || ended === "dead") {
    await noteTooLate(broker, taskId, ended);
    return ended === "cancelled" ? { kind: ended, taskId } : { kind: "too late", taskId, outcome: ended };
  }
  if ((stream !== "LATER" && stream !== "TASKS") || task === null || vo === null) return cancelled;
  return { ...cancelled, found: { stream, task, vo } };
}

async function cancel(
  broker: Broker,
  id: string,
  { isWhole, asked }: { isWhole: boolean; asked: Asked },
): Promise<Answer> {
  const isNamed = isWhole && (await readGroup(broker, id)) !== undefined;
  const task = isNamed ? undefined : await cancelOne(broker, id, asked);
  const groups: GroupState[] = [];
  // After the task: a run that commits first spawns its groups by then.
  const all = isWhole ? await listGroups(broker) : [];
  for (const group of all.filter((each) => each.id === id || each.parent === id)) {
    groups.push((await cancelGroup(broker, group.id, asked)) ?? group);
  }
  return { task, groups };
}

/** `muster task cancel`. */
export function cancelTaskCommand(): Command {
  return new Command("cancel")
    .description(
      "cancel a task that waits, is delayed or runs, on any worker; exits with 1 where it had ended before, or nothing tells of it",
    )
    .argument("<id>", "its id; with --group also the id of a group", parseTaskId)
    .option("--group", "also the children of the groups that it has spawned")
    .option("--reason <text>", "kept with the task's outcome", parseReason)
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (id: string, options: CancelOptions) => {
      const { reason, group: isWhole = false } = options;
      const who = { by: whoRunsThis(), ...(reason === undefined ? {} : { reason }) };
      const answer = await withDatabaseIfKnown((database) => {
        const asked = { ...who, ...(database && { ledger: database.ledger }) };
        return withBroker(async (broker) => {
          const cancelled = await cancel(broker, id, { isWhole, asked });
          const detail = { ...(reason === undefined ? {} : { reason }), ...(isWhole ? { group: true } : {}) };
          if (!isTooLate(cancelled)) await audit(broker, { action: "task.cancel", target: id, detail });
          return cancelled;
        });
      });
      print(isWhole ? { ...answer.task, groups: answer.groups } : answer.task, options, () => show(answer));
      if (isTooLate(answer) || isUnknown(answer)) throw new FailedError(show(answer));
    });
}
