import { changeConfiguration, type Configuration, readConfiguration, withoutVo, withVo } from "@muster/tasks";
import { Command, InvalidArgumentError } from "commander";
import { type OutputOptions, print, tableText } from "../print/output.ts";
import { checkRemovable } from "../run/names.ts";
import { withBroker } from "../run/servers.ts";
import { parseVo } from "../run/values.ts";

const EXAMPLES = `
Examples:
  muster vo add lhcb
  muster vo add vo.cta.in2p3.fr --weight 2
  muster vo remove lhcb
  muster vo list --json`;

function parseWeight(text: string): number {
  const weight = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0;
  if (weight >= 1 && weight <= 1_000) return weight;
  throw new InvalidArgumentError("A weight is a whole number from 1 to 1000.");
}

interface VoRow {
  readonly vo: string;
  readonly weight: number;
  /** RFC 3339. */
  readonly changedAt: string;
}

function rowsOf({ vos }: Configuration): VoRow[] {
  return Object.entries(vos)
    .filter(([, { state }]) => state === "active")
    .map(([vo, { weight = 1, changedAt }]) => ({ vo, weight, changedAt }))
    .sort((a, b) => (a.vo < b.vo ? -1 : 1));
}

function show(rows: readonly VoRow[]): string {
  if (rows.length === 0) return "There is no VO yet; add one with `muster vo add`";
  return tableText(
    ["VO", "#WEIGHT", "CHANGED"],
    rows.map(({ vo, weight, changedAt }) => [vo, String(weight), changedAt]),
  );
}

function printVos(configuration: Configuration, options: OutputOptions): void {
  const rows = rowsOf(configuration);
  print(rows, options, () => show(rows));
}

/** `muster vo`: who may submit. */
export function voCommand(): Command {
  return new Command("vo")
    .description("virtual organisations: add, list, remove; in force within a second")
    .addHelpText("after", EXAMPLES)
    .addCommand(
      new Command("add")
        .description("add a VO, or change its weight")
        .argument("<vo>", "its name", parseVo)
        .option("--weight <turns>", "share of the turns among VOs of one priority, 1 to 1000 (default: 1)", parseWeight)
        .option("--json", "print JSON")
        .action(async (vo: string, options: OutputOptions & { readonly weight?: number }) => {
          const change = (now: Configuration) => withVo(now, vo, options.weight);
          printVos(await withBroker((broker) => changeConfiguration(broker, change)), options);
        }),
    )
    .addCommand(
      new Command("list")
        .description("all VOs")
        .option("--json", "print JSON")
        .action(async (options: OutputOptions) => printVos(await withBroker(readConfiguration), options)),
    )
    .addCommand(
      new Command("remove")
        .description("remove a VO: its schedules end, its waiting tasks are dropped, its pilots stay")
        .argument("<vo>", "as `muster vo list` shows it", parseVo)
        .option("--json", "print JSON")
        .action(async (vo: string, options: OutputOptions) => {
          const change = (now: Configuration) => {
            checkRemovable(now, vo);
            return withoutVo(now, vo);
          };
          printVos(await withBroker((broker) => changeConfiguration(broker, change)), options);
        }),
    );
}
