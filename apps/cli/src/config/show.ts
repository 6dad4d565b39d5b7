import { printConfiguration } from "@muster/app/configuration";
import { fileOf, findConfiguration } from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { type OutputOptions, print } from "../print/output.ts";
import { complain } from "../run/failure.ts";
import { withBroker } from "../run/servers.ts";

const SHOW = ["muster config show > muster.yaml", "muster config show --json | jq .configuration.vos"];

function headerFor(revision: number): string {
  return `# The configuration of revision ${revision}; \`muster config apply -f\` takes it back.
# yaml-language-server: $schema=muster.schema.json
`;
}

/** `muster config show`. */
export function showConfigurationCommand(): Command {
  return new Command("show")
    .description("the configuration in force, as a file that `muster config apply` takes back")
    .option("--json", "print JSON, with the revision")
    .addHelpText("after", examples(...SHOW))
    .action(async (options: OutputOptions) => {
      const { configuration, revision, problem, unknown } = await withBroker((broker) => findConfiguration(broker));
      if (problem !== undefined) complain(problem.text);
      if (unknown.length > 0)
        complain(
          `Not shown, and left as they are by an apply: fields that this version does not know: ${unknown.join(", ")}`,
        );
      const file = fileOf(configuration);
      print({ revision, configuration: file }, options, () => headerFor(revision) + printConfiguration(file).trimEnd());
    });
}
