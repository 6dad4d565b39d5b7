import type { DeadFilter } from "@muster/tasks/operate";
import type { Command } from "commander";
import { UsageError } from "../run/failure.ts";
import { parsePast, parseWanted } from "../run/values.ts";

/** Options by which dead letters are chosen. */
export interface FilterOptions extends Pick<DeadFilter, "task" | "vo" | "reason"> {
  /** How long ago the task was given up at least, and at most, ms. */
  readonly olderThan?: number;
  readonly newerThan?: number;
}

/** Gives a command the options by which dead letters are chosen. */
export function withFilter(command: Command): Command {
  return command
    .option("--task <task>", "only this task's", parseWanted)
    .option("--vo <vo>", "only this VO's", parseWanted)
    .option("--reason <text>", "only where the reason holds this text, in any case", parseWanted)
    .option("--older-than <length>", "only those given up longer ago than this: 90s, 10m, 2h, 60d", parsePast)
    .option("--newer-than <length>", "only those given up since then", parsePast);
}

function before(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(Math.max(0, Date.now() - ms));
}

/** The filter that a command line gives; undefined: it gives none. */
export function filterOf({ task, vo, reason, olderThan, newerThan }: FilterOptions): DeadFilter | undefined {
  const given = [task, vo, reason, olderThan, newerThan].some((each) => each !== undefined);
  return given ? { task, vo, reason, diedBefore: before(olderThan), diedAfter: before(newerThan) } : undefined;
}

/** The filter that the command line gives; undefined: it names letters. Throws {@linkcode UsageError} unless it does one of the three. */
export function chosenBy(
  sequences: readonly number[],
  options: FilterOptions & { readonly all?: boolean },
): DeadFilter | undefined {
  const filter = filterOf(options);
  const { all } = options;
  const ways = [sequences.length > 0, filter !== undefined, all === true].filter(Boolean).length;
  if (ways === 1) return all === true ? {} : filter;
  throw new UsageError(
    "Name dead letters by their sequences, or by --task, --vo, --reason and their age, or say --all: one of the three",
  );
}

/** What a command chose, in words. */
export function describeChosen(sequences: readonly number[], filter: DeadFilter | undefined): string {
  if (filter === undefined)
    return `dead letters ${sequences.slice(0, 20).join(", ")}${sequences.length > 20 ? ", …" : ""}`;
  return `dead letters${filter.task === undefined ? "" : ` of ${filter.task}`}${filter.vo === undefined ? "" : ` of ${filter.vo}`}`;
}
