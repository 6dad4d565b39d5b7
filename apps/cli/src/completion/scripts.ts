// Tested by apps/cli/src/completion/completion_test.ts
import { type CompletedCommand, type CompletedOption, flatten, nameOf, quoted, type Values } from "./tree.ts";

/** The shells for which there is a script. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Patterns of a `case`: the words that a command line has, as `muster vo add --output`. */
function patterns(lines: readonly string[]): string {
  return lines.map(quoted).join("|");
}

/** Everything before the word that is completed, for each option with a value, by what its value may be. */
function linesWithValue(all: readonly CompletedCommand[], is: (values: Values) => boolean): readonly string[] {
  return all.flatMap(({ path, options }) =>
    options.flatMap(({ long, short, values }) =>
      values !== undefined && is(values)
        ? [long, ...(short === undefined ? [] : [short])].map((flag) => `${path} ${flag}`)
        : [],
    ),
  );
}

/** One clause for each list of words that some options take. */
function wordClauses(all: readonly CompletedCommand[], clause: (lines: string, words: readonly string[]) => string) {
  const lists = new Map<string, readonly string[]>();
  for (const { values } of all.flatMap(({ options }) => options)) {
    if (Array.isArray(values)) lists.set(values.join(" "), values);
  }
  return [...lists].map(([text, words]) =>
    clause(patterns(linesWithValue(all, (values) => Array.isArray(values) && values.join(" ") === text)), words),
  );
}

/** What may follow a command, each with what it is for. */
function following({
  commands,
  options,
  words,
}: CompletedCommand): readonly (readonly [word: string, about: string])[] {
  return [
    ...commands.map((each) => [nameOf(each), each.description] as const),
    ...words.map((word) => [word, ""] as const),
    ...options.map(({ long, description }) => [long, description] as const),
  ];
}

function bash(program: CompletedCommand): string {
  const all = flatten(program);
  const files = linesWithValue(all, (values) => values === "files");
  const unknown = linesWithValue(all, (values) => values === "unknown");
  return `# Completes the commands and options of muster in bash. Load it: source <(muster completion bash)
_muster() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD - 1]}" at=muster word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$at $word" in
      ${patterns(all.slice(1).map(({ path }) => path))}) at="$at $word" ;;
    esac
  done
  case "$at $prev" in
${wordClauses(all, (lines, words) => `    ${lines}) COMPREPLY=($(compgen -W ${quoted(words.join(" "))} -- "$cur")); return ;;`).join("\n")}
    ${patterns(files)}) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    ${patterns(unknown)}) return ;;
  esac
  case "$at" in
${all
  .map(
    (command) =>
      `    ${quoted(command.path)}) COMPREPLY=($(compgen -W ${quoted(
        following(command)
          .map(([word]) => word)
          .join(" "),
      )} -- "$cur")) ;;`,
  )
  .join("\n")}
  esac
}
complete -F _muster muster
`;
}

function zsh(program: CompletedCommand): string {
  const all = flatten(program);
  const files = linesWithValue(all, (values) => values === "files");
  const unknown = linesWithValue(all, (values) => values === "unknown");
  const described = (command: CompletedCommand) =>
    following(command).map(([word, about]) => quoted(about === "" ? word : `${word}:${about}`));
  return `#compdef muster
# Completes the commands and options of muster in zsh. Load it, after compinit: source <(muster completion zsh)
_muster() {
  local at=muster word i
  local -a found
  for ((i = 2; i < CURRENT; i++)); do
    word="$words[i]"
    case "$at $word" in
      (${patterns(all.slice(1).map(({ path }) => path))}) at="$at $word" ;;
    esac
  done
  case "$at $words[CURRENT-1]" in
${wordClauses(all, (lines, words) => `    (${lines}) compadd -- ${words.map(quoted).join(" ")}; return ;;`).join("\n")}
    (${patterns(files)}) _files; return ;;
    (${patterns(unknown)}) return 1 ;;
  esac
  case "$at" in
${all.map((command) => `    (${quoted(command.path)}) found=(${described(command).join(" ")}) ;;`).join("\n")}
  esac
  _describe muster found
}
if [ "$funcstack[1]" = _muster ]; then
  _muster "$@"
else
  compdef _muster muster
fi
`;
}

function fishOption(path: string, { long, short, description, values }: CompletedOption): string {
  const value =
    values === undefined
      ? ""
      : Array.isArray(values)
        ? ` -x -a ${quoted(values.join(" "))}`
        : values === "files"
          ? " -r -F"
          : " -x";
  const letter = short === undefined ? "" : ` -s ${short.slice(1)}`;
  return `complete -c muster -n ${quoted(`__muster_at "${path}"`)} -l ${long.slice(2)}${letter}${value} -d ${fishQuoted(description)}`;
}

/** Fish has its own escape within single quotes. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function fish(program: CompletedCommand): string {
  const all = flatten(program);
  const word = (path: string, text: string, about: string) =>
    `complete -c muster -n ${quoted(`__muster_at "${path}"`)} -a ${text} -d ${fishQuoted(about)}`;
  return `# Completes the commands and options of muster in fish. Load it: muster completion fish | source
function __muster_at
  set -l words (commandline -opc)
  set -e words[1]
  set -l at muster
  for word in $words
    if contains -- "$at $word" ${all
      .slice(1)
      .map(({ path }) => quoted(path))
      .join(" ")}
      set at "$at $word"
    end
  end
  test "$at" = "$argv[1]"
end
complete -c muster -f
${all
  .flatMap(({ path, commands, words, options }) => [
    ...commands.map((each) => word(path, nameOf(each), each.description)),
    ...words.map((each) => word(path, each, "")),
    ...options.map((option) => fishOption(path, option)),
  ])
  .join("\n")}
`;
}

const SCRIPTS: Readonly<Record<Shell, (program: CompletedCommand) => string>> = { bash, zsh, fish };

/** The script that completes the program's command lines in a shell. */
export function completionScript(shell: Shell, program: CompletedCommand): string {
  return SCRIPTS[shell](program);
}
