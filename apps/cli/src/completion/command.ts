import { Argument, Command } from "commander";
import { examples } from "../print/examples.ts";
import { completionScript, type Shell, SHELLS } from "./scripts.ts";
import { completedTree } from "./tree.ts";

/** `muster completion`: prints a shell's script. `wholeProgram` loads all groups of commands. */
export function completionCommand(wholeProgram: () => Promise<Command>): Command {
  return new Command("completion")
    .description("print a script by which a shell completes commands and options; asks no server")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText(
      "after",
      examples(
        "muster completion bash > ~/.local/share/bash-completion/completions/muster",
        "muster completion zsh > ~/.zsh/completions/_muster",
        "muster completion fish > ~/.config/fish/completions/muster.fish",
      ),
    )
    .action(async (shell: Shell) => {
      process.stdout.write(completionScript(shell, completedTree(await wholeProgram())));
    });
}
