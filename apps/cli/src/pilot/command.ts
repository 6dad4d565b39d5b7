import { getPilotShares, type PilotShare } from "@muster/logic";
import { Command } from "commander";
import { type OutputOptions, print, tableText } from "../print/output.ts";
import { withPilots } from "../run/servers.ts";
import { watchable, watched } from "../run/watch.ts";
import { listPilotsCommand, withChoice } from "./list.ts";
import { watchPilotsCommand } from "./watch.ts";
import { writeOffCommand } from "./write_off.ts";

const EXAMPLES = `
Examples:
  muster pilot summary
  muster pilot summary --vo lhcb --json`;

interface SummaryOptions extends OutputOptions {
  readonly vo?: string;
  readonly ce?: string;
}

const STATUSES = ["submitted", "running", "done", "failed"] as const;

function totalOf(shares: readonly PilotShare[]): Record<string, number> {
  const sum = (status: (typeof STATUSES)[number]) => shares.reduce((total, share) => total + share[status], 0);
  return Object.fromEntries(STATUSES.map((status) => [status.toUpperCase(), sum(status)]));
}

function show(shares: readonly PilotShare[], { vo, ce }: SummaryOptions): string {
  if (shares.length === 0) {
    const which = `${vo === undefined ? "" : ` of ${JSON.stringify(vo)}`}${ce === undefined ? "" : ` at ${JSON.stringify(ce)}`}`;
    return `There is no pilot${which} yet`;
  }
  const total = totalOf(shares);
  const rows = shares.map((share) => [share.ceName, share.vo, ...STATUSES.map((status) => String(share[status]))]);
  const last = ["all", "", ...STATUSES.map((status) => String(total[status.toUpperCase()]))];
  return tableText(["CE", "VO", ...STATUSES.map((status) => `#${status.toUpperCase()}`)], [...rows, last]);
}

/** `muster pilot`: shows what happened to the pilots. */
export function pilotCommand(): Command {
  return new Command("pilot")
    .description("pilots: summary, list, watch, write-off")
    .addCommand(writeOffCommand())
    .addCommand(
      watchable(withChoice(new Command("summary")))
        .description("count pilots by CE, VO and status")
        .option("--json", "print JSON")
        .addHelpText("after", EXAMPLES)
        .action(
          watched(async (options: SummaryOptions) => {
            const all = await withPilots((database) => database.transaction(getPilotShares));
            const shares = all.filter(
              ({ vo, ceName }) => vo === (options.vo ?? vo) && ceName === (options.ce ?? ceName),
            );
            print({ pilots: totalOf(shares), shares }, options, () => show(shares, options));
          }),
        ),
    )
    .addCommand(listPilotsCommand())
    .addCommand(watchPilotsCommand());
}
