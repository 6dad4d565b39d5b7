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

const leaves = leavesOf(createProgram());

test("the page of the command line names each command with its options, and no other", async (t) => {
  const rows = (await readFile(PAGE, "utf8")).split("\n").filter((line) => line.startsWith("| `muster "));
  const named = rows.map((row) => /^\| `(muster [^`<[]*)/.exec(row)?.[1]?.trim());
  t.deepEqual(
    named,
    leaves.map(({ name }) => name),
  );
  for (const [index, { name, command }] of leaves.entries()) {
    for (const { long } of command.options.filter((option) => option.long !== "--json")) {
      t.true(rows[index]?.includes(`\`${long}`), `${name} ${long}`);
    }
  }
});

test("each command that prints an answer takes --json", (t) => {
  for (const { name, command } of leaves) {
    if (name === "muster up") continue;
    t.true(
      command.options.some(({ long }) => long === "--json"),
      name,
    );
  }
});

test("the help of each command shows an example, by itself or above it", (t) => {
  function helpOf(command: Command): string {
    let text = "";
    command.configureOutput({ writeOut: (part) => (text += part) });
    command.outputHelp();
    return text;
  }
  for (const { name, command } of leaves) {
    const above = command.parent === null ? "" : helpOf(command.parent);
    t.regex(helpOf(command) + above, /Examples?:\n/, name);
  }
});

test("--version prints the version and ends well", (t) => {
  const program = createProgram();
  let text = "";
  program.configureOutput({ writeOut: (part) => (text += part) });
  t.throws(() => program.parse(["--version"], { from: "user" }), { code: "commander.version" });
  t.regex(text, /^\d+\.\d+\.\d+\n$/);
});
