import test from "ava";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createProgram } from "../program.ts";
import { completionScript, type Shell } from "./scripts.ts";
import { completedTree, flatten } from "./tree.ts";

const execute = promisify(execFile);
const program = completedTree(await createProgram());

/** Whether this machine has the shell. Bash is everywhere; the other two may be missing. */
function has(shell: Shell): boolean {
  return spawnSync(shell, ["-c", "true"]).status === 0;
}

/** How each shell is asked what may follow a line, one word a line of its output. `$1` is the script, `$2` the line. */
const ASK: Readonly<Record<Shell, string>> = {
  bash: `source "$1"
    COMP_WORDS=($2); [[ "$2" == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
    _muster; printf '%s\\n' "\${COMPREPLY[@]}"`,
  zsh: `compdef() { :; }; source "$1"
    _describe() { print -l -- \${found%%:*}; }
    compadd() { shift; print -l -- $@; }
    _files() { print FILES; }
    words=(\${(z)2}); [[ "$2" == *' ' ]] && words+=('')
    CURRENT=$#words; _muster; true`,
  fish: `source $argv[1]; complete -C $argv[2] | string replace -r '\\t.*' ''; true`,
};

async function completionsOf(shell: Shell, line: string): Promise<string[]> {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-completion-"));
  const script = join(folder.path, "muster");
  await writeFile(script, completionScript(shell, program));
  const env = { PATH: process.env["PATH"], HOME: folder.path };
  const args =
    shell === "fish"
      ? ["-c", ASK.fish, script, line]
      : [shell === "zsh" ? "-fc" : "-c", ASK[shell], shell, script, line];
  const { stdout } = await execute(shell, args, { env, cwd: folder.path });
  const last = line.slice(line.lastIndexOf(" ") + 1);
  return stdout.split("\n").filter((word) => word !== "" && word.startsWith(last));
}

for (const shell of ["bash", "zsh", "fish"] as const) {
  test(`${shell} completes groups, commands, options and the words that an option takes`, async (t) => {
    if (!has(shell)) {
      t.log(`not tried: this machine has no ${shell}`);
      t.pass();
      return;
    }
    const groups = await completionsOf(shell, "muster ");
    for (const group of ["up", "vo", "queue", "worker", "completion"]) t.true(groups.includes(group), group);
    t.deepEqual((await completionsOf(shell, "muster worker ")).filter((word) => !word.startsWith("-")).sort(), [
      "drain",
      "list",
    ]);
    t.deepEqual(await completionsOf(shell, "muster queue list --wa"), ["--watch"]);
    t.deepEqual((await completionsOf(shell, "muster queue list --output ")).sort(), ["json", "table", "wide", "yaml"]);
    t.deepEqual(await completionsOf(shell, "muster queue list --vo "), []);
    const shells = await completionsOf(shell, "muster completion ");
    for (const each of ["bash", "zsh", "fish"]) t.true(shells.includes(each), each);
  });
}

test("bash offers files where an option takes one, and knows each command", async (t) => {
  t.deepEqual(await completionsOf("bash", "muster config apply --file mus"), ["muster"]);
  const script = completionScript("bash", program);
  for (const { path } of flatten(program)) t.true(script.includes(`'${path}'`), path);
});
