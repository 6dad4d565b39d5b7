import type { Command } from "commander";
import test from "ava";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createProgram } from "./program.ts";

const PAGE = join(import.meta.dirname, "..", "..", "..", "docs", "reference", "command-line.md");

interface Leaf {
  readonly name: string;
  readonly command: Command;
}

function leavesOf(command: Command, name = command.name()): Leaf[] {
  if (command.commands.length === 0) return [{ name, command }];
  return command.commands.flatMap((each) => leavesOf(each, `${name} ${each.name()}`));
}

const leaves = leavesOf(await createProgram());

/** Options that the page describes once for all commands. */
const EVERYWHERE: ReadonlySet<string> = new Set(["--json", "--output", "--watch"]);

test("the page of the command line names each command with its options, and no other", async (t) => {
  const rows = (await readFile(PAGE, "utf8")).split("\n").filter((line) => line.startsWith("| `muster "));
  const named = rows.map((row) => /^\| `(muster [^`<[]*)/.exec(row)?.[1]?.trim());
  t.deepEqual(
    named,
    leaves.map(({ name }) => name),
  );
  for (const [index, { name, command }] of leaves.entries()) {
    for (const { long } of command.options.filter((option) => !EVERYWHERE.has(option.long ?? ""))) {
      t.true(rows[index]?.includes(`\`${long}`), `${name} ${long}`);
    }
  }
});

test("each command that prints an answer takes --json and --output, and each that lists something takes --watch", (t) => {
  for (const { name, command } of leaves) {
    // What these print is no answer: a running system, a script, a file.
    if (["muster up", "muster completion", "muster nats-users"].includes(name)) continue;
    const has = (wanted: string) => command.options.some(({ long }) => long === wanted);
    t.true(has("--json"), name);
    t.true(has("--output"), name);
    if (name.endsWith(" list")) t.true(has("--watch"), name);
  }
});

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

/** The words of a shell's line, as far as our examples need them: quotes, and nothing within them. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare = ""]) => single ?? double ?? bare,
  );
}

/** The calls of `muster` in the examples of a help, each as its words. What follows three spaces tells what the call does. */
function examplesIn(help: string): string[][] {
  const [, block = ""] = /\nExamples?:\n((?: {2}\S.*\n?)+)/.exec(help) ?? [];
  const lines = block.split("\n").map((line) => line.trim().replace(/ {3,}.*$/, ""));
  return lines
    .filter((line) => line !== "")
    .map((line) => wordsOf(/(?:^|\s)muster (?:[^|>'"]|'[^']*'|"[^"]*")*/.exec(line)?.[0] ?? line));
}

/** A program whose commands do nothing, and note what they were called with. */
async function idleProgram(called: string[]): Promise<Command> {
  function makeIdle(command: Command, name: string): Command {
    command.configureOutput({ writeErr() {}, outputError() {} });
    if (command.commands.length === 0) command.action(() => void called.push(name));
    for (const each of command.commands) makeIdle(each, `${name} ${each.name()}`);
    return command;
  }
  return makeIdle(await createProgram(), "muster");
}

test("the help of each command ends with examples of its own, and each example in any help is a command line that is taken", async (t) => {
  for (const { name, command } of leaves) {
    const own = examplesIn(helpOf(command));
    t.true(own.length > 0, `${name} has no example`);
    for (const words of own) t.is(words.slice(0, name.split(" ").length).join(" "), name, words.join(" "));
  }
  const commands = (command: Command): Command[] => [command, ...command.commands.flatMap(commands)];
  for (const [program, ...args] of commands(await createProgram()).flatMap((command) => examplesIn(helpOf(command)))) {
    const called: string[] = [];
    const line = [program, ...args].join(" ");
    t.is(program, "muster", line);
    await t.notThrowsAsync((await idleProgram(called)).parseAsync(args, { from: "user" }), line);
    t.true(`${line} `.startsWith(`${called[0]} `), line);
  }
});

test("--version prints the version and ends well", async (t) => {
  const program = await createProgram();
  let text = "";
  program.configureOutput({ writeOut: (part) => (text += part) });
  t.throws(() => program.parse(["--version"], { from: "user" }), { code: "commander.version" });
  t.regex(text, /^\d+\.\d+\.\d+\n$/);
});
