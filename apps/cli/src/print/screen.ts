import { type Command, Option } from "commander";

/** How a command's result is written. `wide` is a table with all columns in which nothing is cut. */
export const FORMATS = ["table", "wide", "json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

interface Screen {
  readonly format: Format;
  /** Width of the terminal, characters; undefined: it goes to a file or to another program, and nothing is cut. */
  readonly width: number | undefined;
  /** Whether the command prints again and again, so that each document takes one line. */
  readonly isWatched: boolean;
  /** Writes a value as YAML. The library is loaded only where somebody asks for YAML. */
  readonly toYaml: ((value: unknown) => string) | undefined;
}

/** The screen of the command that runs. `openScreen` writes it before each command; what prints reads it. */
let screen: Screen = { format: "table", width: undefined, isWatched: false, toYaml: undefined };

/** What a command line says of its output. */
interface ScreenOptions {
  readonly json?: boolean;
  readonly output?: Format;
  readonly watch?: unknown;
}

/** Takes over what the command line says of the output. */
export async function openScreen({ json, output, watch }: ScreenOptions): Promise<void> {
  const format = json === true ? "json" : (output ?? "table");
  const width = process.stdout.isTTY ? (process.stdout.columns ?? 120) : undefined;
  const yaml = format === "yaml" ? await import("./yaml.ts") : undefined;
  screen = {
    ...{ format, width, isWatched: watch !== undefined },
    toYaml: yaml?.toYaml,
  };
}

/** Whether a text for people was asked for, and no document. */
export function printsText(): boolean {
  return screen.format === "table" || screen.format === "wide";
}

/** The screen of the command that runs. */
export function currentScreen(): Screen {
  return screen;
}

function documentIn(value: unknown, place: "alone" | "one of many"): string | undefined {
  const { format, toYaml } = screen;
  if (format === "json") return JSON.stringify(value, null, place === "alone" ? 2 : 0);
  if (toYaml === undefined) return undefined;
  // YAML gets what JSON would have, so that both tell the same.
  const text = toYaml(JSON.parse(JSON.stringify(value ?? null))).trimEnd();
  return place === "alone" ? text : `---\n${text}`;
}

/** The value as a document in the format that was asked for; undefined: a text for people was asked for. */
export function documentOf(value: unknown): string | undefined {
  return documentIn(value, screen.isWatched ? "one of many" : "alone");
}

/** One of many documents that follow each other: a line of JSON, or a document of YAML; undefined: a text for people was asked for. */
export function followedOf(value: unknown): string | undefined {
  return documentIn(value, "one of many");
}

/** Gives each command below that takes `--json` the option of the other formats. */
export function withFormats(command: Command): Command {
  if (command.options.some(({ long }) => long === "--json")) {
    command.addOption(new Option("-o, --output <format>", "how it is printed").choices(FORMATS).conflicts("json"));
  }
  for (const each of command.commands) withFormats(each);
  return command;
}
