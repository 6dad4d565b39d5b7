// Tested by apps/dashboard/src/act/configuration_file_test.ts
import type { AnyTask } from "@muster/tasks";
import { checkConfigurationFile, type ConfigurationFile, instanceProblems } from "@muster/tasks/operate";
import { LineCounter, parseDocument } from "yaml";

/** Greatest number of mistakes that are told. */
const TOLD = 50;
/** Longest file, characters. NATS takes no message that is much longer. */
const LONGEST = 1_000_000;

/** What a text says as a configuration: the file, or all that is wrong in it, one line each. */
export type ReadConfiguration =
  | { readonly kind: "good"; readonly file: ConfigurationFile }
  | { readonly kind: "wrong"; readonly problems: readonly string[] };

function wrong(problems: readonly string[]): ReadConfiguration {
  const more = problems.length > TOLD ? [`and ${problems.length - TOLD} more`] : [];
  return { kind: "wrong", problems: [...problems.slice(0, TOLD), ...more] };
}

function problemsOfInstances(file: ConfigurationFile, tasks: readonly AnyTask[]): string[] {
  return tasks.flatMap((task) => {
    const settings = file.tasks?.[task.name];
    if (settings === undefined) return [];
    return instanceProblems(task, settings).map(
      ({ instance, message }) => `tasks.${task.name}.instances.${instance}: ${message}`,
    );
  });
}

/** Reads YAML or JSON, as `muster config show` prints it, and checks all of it. Names and keys are texts, so a VO may be called `123`. */
export function readConfigurationText(text: string, tasks: readonly AnyTask[]): ReadConfiguration {
  if (text.length > LONGEST) return wrong([`it has more than ${LONGEST} characters`]);
  const lines = new LineCounter();
  const document = parseDocument(text, { version: "1.2", lineCounter: lines, stringKeys: true, uniqueKeys: true });
  if (document.errors.length > 0) {
    return wrong(
      document.errors.map(({ pos: [at], message }) => {
        const { line, col } = lines.linePos(at);
        return `line ${line}, column ${col}: ${message.split("\n")[0] ?? ""}`;
      }),
    );
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    return wrong([error instanceof Error ? error.message : String(error)]);
  }
  const checked = checkConfigurationFile(value);
  if (checked.kind === "wrong")
    return wrong(checked.problems.map(({ path, text: problem }) => `${path.join(".") || "the file"}: ${problem}`));
  const refused = problemsOfInstances(checked.file, tasks);
  return refused.length > 0 ? wrong(refused) : checked;
}
