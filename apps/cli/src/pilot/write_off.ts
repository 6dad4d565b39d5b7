import { listActivePilots, writeOffPilots } from "@muster/logic";
import { Command } from "commander";
import { count, type OutputOptions, print } from "../print/output.ts";
import { audit } from "../run/audit.ts";
import { requirePilots } from "../run/extensions.ts";
import { checkGone } from "../run/names.ts";
import { readConfigurationAloud, withBoth } from "../run/servers.ts";
import { parseVo } from "../run/values.ts";

const EXAMPLES = `
Examples:
  muster pilot write-off --vo lhcb --dry-run
  muster pilot write-off --vo lhcb`;

interface WriteOffOptions extends OutputOptions {
  readonly vo: string;
  readonly dryRun?: boolean;
}

async function writeOff({ vo, dryRun, ...options }: WriteOffOptions): Promise<void> {
  await requirePilots();
  const pilots = await withBoth(async ({ broker, database }) => {
    checkGone(await readConfigurationAloud(broker), vo);
    const written = await database.transaction(async (transaction) => {
      if (dryRun !== true) return await writeOffPilots(transaction, vo);
      return (await listActivePilots(transaction)).find((each) => each.vo === vo)?.active ?? 0;
    });
    if (dryRun !== true && written > 0) {
      // The action's words are letters alone.
      await audit(broker, { action: "pilot.write.off", target: vo, detail: { pilots: written } });
    }
    return written;
  });
  if (dryRun === true)
    print({ vo, matching: pilots }, options, () => `would write off ${count(pilots, "pilot")} of ${vo}`);
  else print({ vo, writtenOff: pilots }, options, () => `wrote off ${count(pilots, "pilot")} of ${vo}`);
}

/** `muster pilot write-off`. */
export function writeOffCommand(): Command {
  return new Command("write-off")
    .description("mark the active pilots of a removed VO as FAILED, which frees their slots")
    .requiredOption("--vo <vo>", "a VO that is not configured any more", parseVo)
    .option("--dry-run", "only count them")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(writeOff);
}
