import { Command } from "commander";
import { upCommand } from "./up/command.ts";

await new Command("muster").addCommand(upCommand()).parseAsync();
