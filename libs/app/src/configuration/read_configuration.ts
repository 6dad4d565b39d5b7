// Tested by apps/cli/src/config/wrong_files_test.ts
// Tested by libs/app/src/configuration/read_configuration_test.ts
import type { AnyTask } from "@muster/tasks";
import {
  checkConfigurationFile,
  type ConfigurationFile,
  type FieldProblem,
  instanceProblems,
} from "@muster/tasks/operate";
import { type Place, readYaml, type SourceProblem, type YamlSource } from "./yaml_source.ts";

/** Largest text of a configuration, bytes. NATS takes no message that is much longer. */
export const MAX_CONFIGURATION_BYTES = 1_048_576;
/** Greatest number of characters that are shown of a wrong value. */
const SHOWN = 60;

/** A configuration that can be applied. */
export interface GoodConfiguration {
  readonly kind: "good";
  readonly file: ConfigurationFile;
  /** Where the key of a path stands in the text, or the nearest place around it. */
  placeOf(path: readonly string[]): Place;
}

/** What a text says as a configuration: all of it, or all that is wrong in it, in the order of its places. */
export type ReadConfiguration =
  | GoodConfiguration
  | { readonly kind: "wrong"; readonly problems: readonly SourceProblem[] };

/** What stands under a path; undefined: nothing. */
function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return undefined;
    found = Object.entries(found).find(([each]) => each === key)?.[1];
  }
  return found;
}

/** Whether a text is what YAML 1.1 took for a boolean. */
const OLD_BOOLEAN = /^(?:yes|no|on|off|y|n)$/i;

function hintFor(found: unknown, text: string): string {
  if (found === null) return "; give it a value, or leave the field out";
  const isOld = typeof found === "string" && OLD_BOOLEAN.test(found);
  return isOld && text.includes("expected true or false") ? "; write true or false" : "";
}

function toSourceProblem({ path, at: side, text }: FieldProblem, source: YamlSource): SourceProblem {
  const found = side === "value" ? valueAt(source.value, path) : undefined;
  const isPlain = found !== undefined && (found === null || typeof found !== "object");
  const shown = isPlain && !text.includes(String(found)) ? ` (it is ${JSON.stringify(found).slice(0, SHOWN)})` : "";
  const where = path.length === 0 ? "the file" : path.join(".");
  return { ...source.placeOf(path, side), text: `${where}: ${text}${shown}${hintFor(found, text)}` };
}

/** What the tasks of a program refuse of their named schedules: a payload, VOs, or that there is no schedule. */
function problemsOfInstances(
  file: ConfigurationFile,
  source: YamlSource,
  known: readonly AnyTask[],
): readonly SourceProblem[] {
  return known.flatMap((task) => {
    const settings = file.tasks?.[task.name];
    if (settings === undefined) return [];
    return instanceProblems(task, settings).map(({ instance, message }) => {
      const path = ["tasks", task.name, "instances", instance];
      return { ...source.placeOf(path, "key"), text: `${path.join(".")}: ${message}` };
    });
  });
}

function byPlace(one: Place, other: Place): number {
  return one.line - other.line || one.column - other.column;
}

/**
 * Reads a configuration, in YAML or JSON, and checks all of it. Asks no server, and never throws for what is in the text. `knownTasks` returns the
 * tasks of this program, and is called only where the rest is right.
 *
 * Every program that takes a configuration reads it by this function, so that none takes what another one refuses.
 *
 * ```ts
 * const read = await readConfigurationText("vos: { lhcb: {} }", () => []);
 * if (read.kind === "wrong") for (const { line, column, text } of read.problems) console.error(`${line}:${column}: ${text}`);
 * ```
 */
export async function readConfigurationText(
  text: string,
  knownTasks: () => Promise<readonly AnyTask[]> | readonly AnyTask[],
): Promise<ReadConfiguration> {
  if (Buffer.byteLength(text) > MAX_CONFIGURATION_BYTES) {
    const problem = `it has more than ${MAX_CONFIGURATION_BYTES.toLocaleString("en")} bytes`;
    return { kind: "wrong", problems: [{ line: 1, column: 1, text: problem }] };
  }
  const source = readYaml(text);
  // What cannot be read as YAML may be taken for anything. Only its first reading says what is wrong.
  const checked = source.isYaml ? checkConfigurationFile(source.value) : undefined;
  const wrong = checked?.kind === "wrong" ? checked.problems.map((problem) => toSourceProblem(problem, source)) : [];
  const refused = checked?.kind === "good" ? problemsOfInstances(checked.file, source, await knownTasks()) : [];
  const problems = [...source.problems, ...wrong, ...refused];
  if (checked?.kind !== "good" || problems.length > 0) return { kind: "wrong", problems: problems.sort(byPlace) };
  return { kind: "good", file: checked.file, placeOf: (path) => source.placeOf(path, "key") };
}
