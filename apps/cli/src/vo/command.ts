// Tested by tests/src/cli/configuration_test.ts
// Tested by tests/src/cli/telling_test.ts
import { activeVos, changeConfiguration, type Configuration, withoutVo, withVo } from "@muster/tasks/operate";
import { Command, InvalidArgumentError } from "commander";
import { examples } from "../print/examples.ts";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { watchable, watched } from "../run/watch.ts";
import { audit } from "../run/audit.ts";
import { complain, describeFailure } from "../run/failure.ts";
import { hasPilots } from "../run/extensions.ts";
import { checkRemovable } from "../run/names.ts";
import { readConfigurationAloud, withBroker, withDatabase } from "../run/servers.ts";
import { parseVo } from "../run/values.ts";

const ADD = ["muster vo add lhcb", "muster vo add vo.cta.in2p3.fr --weight 2"];
const LIST = ["muster vo list", "muster vo list --json"];
const REMOVE = ["muster vo remove lhcb"];

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

/** Returns the number of pilots of `vo` that hold slots; null: the database does not answer. The removal itself needs only NATS. */
async function countActive(vo: string): Promise<number | null> {
  if (!(await hasPilots())) return 0;
  const { listActivePilots } = await import("@muster/logic");
  try {
    const all = await withDatabase((database) => database.transaction(listActivePilots));
    return all.find((each) => each.vo === vo)?.active ?? 0;
  } catch (error) {
    console.error(`Its active pilots are not counted: ${describeFailure(error)}`);
    return null;
  }
}

function tellActive(vo: string, activePilots: number | null): string {
  if (activePilots === 0) return `removed ${vo}; no pilot of it is active`;
  const number = activePilots === null ? "its active pilots" : `${count(activePilots, "pilot")} of it`;
  return `removed ${vo}; ${number} keep their slots, and nobody checks them any more. Once they have ended at their CEs, free the slots:
\`muster pilot write-off --vo ${vo}\`. Adding the VO again has them checked.`;
}

async function remove(vo: string, options: OutputOptions): Promise<void> {
  const change = (now: Configuration) => {
    checkRemovable(now, vo);
    return withoutVo(now, vo);
  };
  const rows = await withBroker(async (broker) => {
    const changed = rowsOf(await changeConfiguration(broker, change));
    await audit(broker, { action: "vo.remove", target: vo });
    return changed;
  });
  // Counted after the removal. A task that a worker is running may commit one more pilot, until the scheduler has put the task away.
  const activePilots = await countActive(vo);
  print({ vo, activePilots, vos: rows }, options, () => `${show(rows)}\n\n${tellActive(vo, activePilots)}`);
}

interface AddOptions extends OutputOptions {
  readonly weight?: number;
  readonly beginAnew?: boolean;
}

/** `muster vo`: administers which VOs may submit. */
export function voCommand(): Command {
  return new Command("vo")
    .description("virtual organisations: add, list, remove; in force within a second")
    .addHelpText("after", examples(...ADD, ...REMOVE, ...LIST))
    .addCommand(
      new Command("add")
        .description("add a VO, or change its weight")
        .argument("<vo>", "its name", parseVo)
        .option("--weight <turns>", "share of the turns among VOs of one priority, 1 to 1000 (default: 1)", parseWeight)
        .option("--begin-anew", "start a new configuration with this VO, where no valid one is left")
        .option("--json", "print JSON")
        .addHelpText("after", examples(...ADD))
        .action(async (vo: string, options: AddOptions) => {
          const change = (now: Configuration) => withVo(now, vo, options.weight);
          const from = options.beginAnew === true ? "nothing" : "last good";
          const configuration = await withBroker(async (broker) => {
            const changed = await changeConfiguration(broker, change, { from });
            const detail = { weight: changed.vos[vo]?.weight ?? 1, ...(from === "nothing" ? { from } : {}) };
            await audit(broker, { action: "vo.add", target: vo, detail });
            return changed;
          });
          printVos(configuration, options);
          const twins = activeVos(configuration).filter(
            (each) => each.toLowerCase() === vo.toLowerCase() && each !== vo,
          );
          if (twins.length > 0)
            complain(`VO ${vo} is another one than ${twins.join(", ")}: names of VOs are told apart by case`);
        }),
    )
    .addCommand(
      watchable(new Command("list"))
        .description("all VOs")
        .option("--json", "print JSON")
        .addHelpText("after", examples(...LIST))
        .action(watched(async (options: OutputOptions) => printVos(await withBroker(readConfigurationAloud), options))),
    )
    .addCommand(
      new Command("remove")
        .description("remove a VO: its schedules end, its waiting tasks are dropped, its pilots stay")
        .argument("<vo>", "as `muster vo list` shows it", parseVo)
        .option("--json", "print JSON")
        .addHelpText("after", examples(...REMOVE))
        .action(remove),
    );
}
