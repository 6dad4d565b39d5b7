import type { CodeBlock, Page } from "./markdown.ts";

/** A command that a page tells its reader to give. */
export interface DocumentedCommand {
  readonly page: string;
  readonly line: number;
  /** As it is written, but for the prompt. */
  readonly text: string;
  /** Why no test gives it; undefined: it is run. */
  readonly notRun: string | undefined;
  /** A program beside git, Node.js and npm that its reader must have. */
  readonly needs: string | undefined;
}

/** The pages whose commands are run. */
const PAGES = /^(?:README\.md|docs\/(?:how-to|tutorial|reference)\/.*\.md)$/;

const LANGUAGES = new Set(["sh", "bash", "console"]);

/** The lines of a block that are given to a shell; one that ends in a backslash goes on in the next. */
function linesOf({ language, text, line }: CodeBlock): { text: string; line: number }[] {
  const lines: { text: string; line: number }[] = [];
  let isOpen = false;
  for (const [index, raw] of text.split("\n").entries()) {
    const last = lines.at(-1);
    if (isOpen && last !== undefined) last.text += `\n${raw}`;
    else if (language !== "console") lines.push({ text: raw.trim(), line: line + 1 + index });
    else if (raw.startsWith("$ ")) lines.push({ text: raw.slice(2), line: line + 1 + index });
    else continue;
    isOpen = raw.endsWith("\\");
  }
  return lines.filter(({ text: command }) => command !== "" && !command.startsWith("#"));
}

/** The mark `not-run="REASON"` behind a fence is for all its commands, `not-run="COMMAND: REASON"` for one of them. */
function whyNotRun({ info }: CodeBlock, command: string): string | undefined {
  const mark = /\bnot-run="([^"]+)"/.exec(info)?.[1];
  if (mark === undefined) return undefined;
  const [, named, reason] = /^(.+?): (.+)$/.exec(mark) ?? [];
  if (named === undefined) return mark;
  return command.split(/\s{2,}#|\s#/)[0]?.trim() === named ? reason : undefined;
}

/** All commands in the fenced blocks of the pages for users, in their order. */
export function commandsOf(pages: readonly Page[]): DocumentedCommand[] {
  return pages
    .filter(({ path }) => PAGES.test(path))
    .flatMap(({ path, blocks }) =>
      blocks
        .filter(({ language }) => LANGUAGES.has(language))
        .flatMap((block) =>
          linesOf(block).map(({ text, line }) => ({
            page: path,
            line,
            text,
            notRun: whyNotRun(block, text),
            needs: /\bwith="([^"]+)"/.exec(block.info)?.[1],
          })),
        ),
    );
}

/** What is wrong with a command that stands in the running text, e.g. `npm run build`; undefined when nothing is. */
export function problemOfInline(
  text: string,
  known: {
    readonly scripts: ReadonlySet<string>;
    readonly programs: ReadonlySet<string>;
    readonly muster: readonly string[];
  },
): string | undefined {
  const [program = "", ...rest] = text.split(" ");
  if (program === "npm") {
    const script = rest[0] === "run" ? rest[1] : rest[0];
    return known.scripts.has(script ?? "") ? undefined : `package.json has no script "${script}"`;
  }
  const command = program === "npx" ? rest : [program, ...rest];
  if (command[0] !== "muster") return known.programs.has(command[0] ?? "") ? undefined : `npx finds no "${command[0]}"`;
  const words = command.slice(1).filter((word) => /^[a-z]+$/.test(word));
  const path = ["muster", ...words.slice(0, 2)].join(" ");
  const isKnown = known.muster.some(
    (each) => each === path || each.startsWith(`${path} `) || path.startsWith(`${each} `),
  );
  return isKnown ? undefined : `there is no command "${path}"`;
}
