import type { Command, Option } from "commander";

/** What may stand behind an option or as an argument: some words, the name of a file, or what no shell can know. */
export type Values = readonly string[] | "files" | "unknown";

/** An option as a shell needs it. */
export interface CompletedOption {
  readonly long: string;
  readonly short: string | undefined;
  readonly description: string;
  /** Undefined: it takes no value. */
  readonly values: Values | undefined;
}

/** A command as a shell needs it. */
export interface CompletedCommand {
  /** Its words, as `muster vo add`. */
  readonly path: string;
  readonly description: string;
  readonly commands: readonly CompletedCommand[];
  readonly options: readonly CompletedOption[];
  /** Words that may be its arguments. */
  readonly words: readonly string[];
}

/** The last word of a command's path. */
export function nameOf({ path }: Pick<CompletedCommand, "path">): string {
  return path.slice(path.lastIndexOf(" ") + 1);
}

function valuesOf({ argChoices, flags, required, optional }: Option): Values | undefined {
  if (!required && !optional) return undefined;
  if (argChoices !== undefined) return argChoices;
  return /[<[](?:file|folder)[>\]]/.test(flags) ? "files" : "unknown";
}

/** A command and all below it, as the program has them. */
export function completedTree(command: Command, path = command.name()): CompletedCommand {
  const options = command.createHelp().visibleOptions(command);
  return {
    path,
    description: command.description(),
    commands: command.commands.map((each) => completedTree(each, `${path} ${each.name()}`)),
    options: options.flatMap((option) =>
      option.long == null
        ? []
        : [
            {
              long: option.long,
              short: option.short ?? undefined,
              description: option.description,
              values: valuesOf(option),
            },
          ],
    ),
    words: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  };
}

/** A command and all below it, in the order of the help. */
export function flatten(command: CompletedCommand): readonly CompletedCommand[] {
  return [command, ...command.commands.flatMap(flatten)];
}

/** `text` as one word of a shell, between single quotes. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
