// Tested by apps/cli/src/config/wrong_files_test.ts
import {
  configurationWarnings,
  type GoodConfiguration,
  type Place,
  readConfigurationText,
  type SourceProblem,
} from "@muster/app/configuration";
import type { AnyTask } from "@muster/tasks";
import { knownTasks } from "../run/extensions.ts";
import { UsageError } from "../run/failure.ts";
import { nameOfFile, readText } from "./read_file.ts";

/** Greatest number of mistakes that are told one by one. */
const TOLD = 100;

/** A file that can be applied. */
export interface ReadFile extends GoodConfiguration {
  /** As messages name it. */
  readonly name: string;
}

function at(name: string, { line, column }: Place): string {
  return `${name}:${line}:${column}`;
}

function describe(name: string, problems: readonly SourceProblem[]): string {
  const told = problems.slice(0, TOLD).map((problem) => `${at(name, problem)}: ${problem.text}`);
  const more = problems.length - told.length;
  const number = problems.length === 1 ? "1 mistake is" : `${problems.length.toLocaleString("en")} mistakes are`;
  return [
    `Cannot use ${name}: ${number} in it; mend all of them, nothing was changed`,
    ...told,
    ...(more > 0 ? [`and ${more.toLocaleString("en")} more`] : []),
  ].join("\n");
}

/** Reads a file and checks all of it. Asks no server. Throws {@linkcode UsageError} with the line and column of each mistake. */
export async function readFile(path: string): Promise<ReadFile> {
  const name = nameOfFile(path);
  const read = await readConfigurationText(await readText(path), knownTasks);
  if (read.kind === "wrong") throw new UsageError(describe(name, read.problems));
  return { ...read, name };
}

/** What is probably a mistake in a file and can be in force all the same, one line each. */
export function warningsOf(read: ReadFile, known: readonly AnyTask[], served: readonly string[]): readonly string[] {
  return configurationWarnings(read, known, served).map((warning) => `${at(read.name, warning)}: ${warning.text}`);
}
