import { migrate } from "@muster/ledger";
import { keepCes } from "@muster/logic";
import { Command } from "commander";
import { type OutputOptions, print } from "./print/output.ts";
import { collect, KEEP_CE_HELP } from "./run/keep_ce.ts";
import { ourExtensions } from "./run/extensions.ts";
import { locateDatabase } from "./run/servers.ts";

const EXAMPLE = `
Example:
  DATABASE_URL=postgres://muster:secret@db.example.org/muster muster migrate`;

/** `muster migrate`: brings the database's schema to the version of this program. */
export function migrateCommand(): Command {
  return new Command("migrate")
    .description("create or update the database's tables; harmless when they are up to date, and while apps run")
    .option("--keep-ce <name>", KEEP_CE_HELP, collect)
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLE)
    .action(async ({ keepCe = [], ...options }: OutputOptions & { readonly keepCe?: readonly string[] }) => {
      const { tables } = await ourExtensions();
      const applied = await migrate(await locateDatabase(), { tables, settings: keepCes(keepCe) });
      print({ applied }, options, () =>
        applied.length === 0 ? "the schema is up to date" : `applied ${applied.join(", ")}`,
      );
    });
}
