import { configurationJsonSchema } from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { applyConfigurationCommand, diffConfigurationCommand } from "./apply.ts";
import { showConfigurationCommand } from "./show.ts";

const SCHEMA = "muster config schema > muster.schema.json";

function schemaCommand(): Command {
  return new Command("schema")
    .description("the JSON schema of the file, by which editors complete and check it")
    .option("--json", "print JSON, as without it")
    .addHelpText("after", examples(SCHEMA))
    .action(() => console.log(JSON.stringify(configurationJsonSchema(), null, 2)));
}

/** `muster config`: the live configuration as a file. */
export function configCommand(): Command {
  return new Command("config")
    .description("the configuration as a file: show, diff, apply, schema; in force within a second")
    .addHelpText("after", examples("muster config show > muster.yaml", "muster config apply -f muster.yaml", SCHEMA))
    .addCommand(showConfigurationCommand())
    .addCommand(diffConfigurationCommand())
    .addCommand(applyConfigurationCommand())
    .addCommand(schemaCommand());
}
