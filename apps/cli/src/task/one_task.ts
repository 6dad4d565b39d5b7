// Tested by tests/src/cli/follow_test.ts
import { type Database, getSettledAt } from "@muster/ledger";
import { escapeControls } from "@muster/service";
import type { Broker, Json } from "@muster/tasks";
import type { FindOptions, FoundTask, StoredProgress, TaskEvent } from "@muster/tasks/operate";
import { tableText } from "../print/output.ts";
import { SHOWN } from "../print/sum_up.ts";
import { withBroker, withDatabaseIfKnown } from "../run/servers.ts";

/** Runs `work` on NATS, and with the ledger where a database is known. */
export async function withLedgerIfKnown<Answer>(
  work: (broker: Broker, options: FindOptions) => Promise<Answer>,
): Promise<Answer> {
  return await withDatabaseIfKnown((database) => withBroker((broker) => work(broker, optionsOf(database))));
}

function optionsOf(database: Database | undefined): FindOptions {
  if (database === undefined) return {};
  return {
    ledger: database.ledger,
    settledAt: async (taskId) =>
      (await database.transaction((transaction) => getSettledAt(transaction, taskId)))?.toISOString(),
  };
}

/** `40 of 100, asking ce07`. The text is not escaped. */
export function describeProgress({ done, total, note }: StoredProgress): string {
  return `${done} of ${total}${note === null ? "" : `, ${note}`}`;
}

/** One step as a line. The text is not escaped. */
export function describeStep({ at, step, attempt, worker, reason }: TaskEvent): string {
  return `${at}  ${step} (attempt ${attempt}) by ${worker}${reason === undefined ? "" : `: ${reason}`}`;
}

/** What a task does, or how it ended, in some words. The text is not escaped. */
export function describeState(found: FoundTask): string {
  const { state, dueAt, worker, attempt } = found;
  if (state === "unknown") return "unknown: neither streams, ledger, results nor events tell of it";
  if (state === "delayed") return `delayed: attempt ${attempt} is due ${dueAt ?? "soon"}`;
  if (state === "waiting") return `waiting for a worker, attempt ${attempt}`;
  if (state === "running") return `running, attempt ${attempt}${worker === null ? "" : ` on ${worker}`}`;
  return `${state}${whenEnded(found)}`;
}

/** At which attempt a task ended. One that is cancelled, dropped or refused may have ended before it ran. */
function whenEnded({ state, attempt, timeline }: FoundTask): string {
  if (attempt === null) return "";
  const hasStarted = timeline.some((each) => each.step === "started" && each.attempt === attempt);
  if (state === "done" || state === "dead" || hasStarted) return ` at attempt ${attempt}`;
  return timeline.length === 0 ? ` at attempt ${attempt} or before it` : ` before attempt ${attempt} began`;
}

/** Name and value of a line. */
type Field = readonly [name: string, value: string];

function fieldsOf(found: FoundTask): readonly Field[] {
  const { taskId, task, vo, stream, worker, progress, errors, parent, endedAt, result } = found;
  const optional = (name: string, value: string | null): Field[] => (value === null ? [] : [[name, value]]);
  return [
    ["task id", taskId],
    ["task", task ?? "unknown"],
    ["VO", vo ?? "unknown"],
    ["state", describeState(found)],
    ...optional("stream", stream),
    ...optional("worker", worker),
    ...optional("progress", progress === null ? null : describeProgress(progress)),
    ...optional("ended at", endedAt),
    ...optional("parent", parent),
    ...errors.map((error, index): Field => [`error ${index + 1}`, error]),
    ...(result === undefined ? [] : [["result", JSON.stringify(result)] as const]),
  ];
}

/** A task as `muster task show` prints it. */
export function showTask(found: FoundTask): string {
  const fields = fieldsOf(found);
  const width = Math.max(...fields.map(([name]) => name.length));
  const parts = [fields.map(([name, value]) => `${name.padEnd(width)}  ${escapeControls(value)}`).join("\n")];
  const { children, timeline, notes } = found;
  if (children.length > 0) {
    const rows = children.slice(0, SHOWN).map(({ taskId, task, vo }) => [taskId, task, vo]);
    const more = children.length > SHOWN ? `\nand ${children.length - SHOWN} more; all with --json` : "";
    parts.push(`${tableText(["CHILD", "TASK", "VO"], rows)}${more}`);
  }
  if (timeline.length > 0) {
    const rows = timeline.map(({ at, step, attempt, tookMs, worker, reason }) => [
      ...[at, step, String(attempt), tookMs === undefined ? "" : String(Math.round(tookMs)), worker, reason ?? ""],
    ]);
    parts.push(tableText(["AT", "STEP", "#ATTEMPT", "#TOOK MS", "WORKER", "REASON"], rows));
  }
  if (notes.length > 0) parts.push(notes.map((note) => escapeControls(`Note: ${note}`)).join("\n"));
  return parts.join("\n\n");
}

/** How a task ended, as `muster task result` prints it in JSON. */
export interface ResultJson {
  readonly taskId: string;
  readonly task: string | null;
  readonly vo: string | null;
  readonly outcome: string;
  readonly attempt: number | null;
  /** Absent where the task is not done, or nobody has kept it. */
  readonly result?: Json;
  readonly error: string | null;
  readonly endedAt: string | null;
}
