import type { Broker } from "@muster/tasks";
import { type ConfigurationChange, listWaiting } from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { sumOf } from "../print/sum_up.ts";

/** A difference as it is printed, and as JSON has it. */
export type ShownChange = ConfigurationChange & {
  /** Of a VO that is removed: number of its tasks that wait or are delayed, which are dropped. */
  readonly dropped?: number;
};

/** Adds to each VO that is removed how many tasks are dropped with it. Throws when nobody answers. */
export async function countDropped(
  broker: Broker,
  changes: readonly ConfigurationChange[],
): Promise<readonly ShownChange[]> {
  if (!changes.some(({ kind }) => kind === "vo removed")) return changes;
  const waiting = await listWaiting(broker);
  return changes.map((change) => {
    if (change.kind !== "vo removed") return change;
    const own = waiting.filter(({ vo }) => vo === change.vo);
    return { ...change, dropped: sumOf(own, ({ ready, delayed }) => ready + delayed) };
  });
}

/** A value as YAML has it on one line, where it is simple. */
function show(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function lineOf(change: ShownChange): string {
  if (change.kind === "changed") {
    const { path, before, after } = change;
    const where = path.join(".");
    if (before === undefined) return `+ ${where}: ${show(after)}`;
    return after === undefined ? `- ${where}: ${show(before)}` : `~ ${where}: ${show(before)} -> ${show(after)}`;
  }
  if (change.kind === "vo added") return `+ vos.${change.vo}`;
  const { vo, dropped = 0 } = change;
  const fate =
    dropped === 0
      ? "no task of it waits"
      : `${count(dropped, "waiting task")} of it ${dropped === 1 ? "is" : "are"} dropped`;
  return `- vos.${vo}: the VO is removed; ${fate}`;
}

/** One line for each difference: `+` comes, `-` goes, `~` has another value. */
export function describeChanges(changes: readonly ShownChange[]): string {
  return changes.map(lineOf).join("\n");
}

/** Changes as JSON has them: a field that is not there is null. */
export function jsonOf(changes: readonly ShownChange[]): readonly object[] {
  return changes.map((change) => {
    if (change.kind !== "changed") return change;
    const { kind, path, before = null, after = null } = change;
    return { kind, path, before, after };
  });
}
