// Tested by tests/src/cli/cli_test.ts
// Tested by tests/src/cli/telling_test.ts
import type { Database, Transaction } from "@muster/ledger";
import { addCe, type CeChange, changeCe, disableCe, enableCe, listCes, removeCe } from "@muster/logic";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { count, type OutputOptions, print } from "../print/output.ts";
import { UsageError } from "../run/failure.ts";
import { withPilots } from "../run/servers.ts";
import { parseCapacity, parseCe, parseSuccessRate } from "../run/ce_values.ts";
import { parseVo, several } from "../run/values.ts";
import { watchable, watched } from "../run/watch.ts";
import { auditOnNats } from "../run/audit.ts";
import { showLocked, withLocks } from "./locked.ts";
import { showCes } from "./table.ts";
import { warnOfUnknownVos } from "./unknown_vos.ts";

const ADD = [
  "muster ce add ce01.example.org:9619/condor --capacity 200 --success-rate 0.95",
  "muster ce add ce02.example.org --capacity 50 --vo lhcb --vo vo.cta.in2p3.fr",
];
const LIST = ["muster ce list", "muster ce list --json"];
const CHANGE = [
  "muster ce change ce02.example.org --capacity 20 --all-vos",
  "muster ce change ce02.example.org --success-rate 0.9 --vo lhcb",
];
const switching = (verb: string) => `muster ce ${verb} ce02.example.org`;

interface AddOptions extends OutputOptions {
  readonly capacity: number;
  readonly successRate: number;
  readonly vo?: readonly string[];
  readonly disabled?: boolean;
}

interface ChangeOptions extends OutputOptions {
  readonly capacity?: number;
  readonly successRate?: number;
  readonly vo?: readonly string[];
  readonly allVos?: boolean;
}

/** A change of one CE by a command. */
interface CeWork {
  /** The command's last word. */
  readonly verb: string;
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly work: (transaction: Transaction) => Promise<void>;
}

/** Changes one CE, and prints its state after the change. */
async function change(ceName: string, options: OutputOptions, { verb, detail, work }: CeWork): Promise<void> {
  const ces = await withPilots((database: Database) =>
    database.transaction(async (transaction) => {
      await work(transaction);
      return await listCes(transaction);
    }),
  );
  const ce = ces.find(({ name }) => name === ceName);
  print(ce, options, () => showCes(ce === undefined ? [] : [ce]));
  await auditOnNats({ action: `ce.${verb}`, target: ceName, ...(detail === undefined ? {} : { detail }) });
}

function changeOf({ capacity, successRate, vo, allVos }: ChangeOptions): CeChange {
  if (vo !== undefined && allVos === true) throw new UsageError("--vo and --all-vos exclude each other");
  const vos = allVos === true ? null : vo;
  const wanted: CeChange = {
    ...(capacity === undefined ? {} : { capacity }),
    ...(successRate === undefined ? {} : { successRate }),
    ...(vos === undefined ? {} : { vos: vos === null ? null : [...vos] }),
  };
  if (Object.keys(wanted).length === 0) throw new UsageError("Nothing to change; see `muster ce change --help`");
  return wanted;
}

function addCommand(): Command {
  return new Command("add")
    .description("add a CE")
    .argument("<name>", "host, or host:port/queue; kept in lower case", parseCe)
    .requiredOption("--capacity <slots>", "pilots that may be active at once, of all VOs together", parseCapacity)
    .option("--success-rate <share>", "share of pilots that end well, 0 to 1", parseSuccessRate, 1)
    .option("--vo <vo>", "a VO that may submit; may be given several times (default: all may)", several(parseVo))
    .option("--disabled", "let no pilot in yet")
    .option("--json", "print JSON")
    .addHelpText("after", examples(...ADD))
    .action(async (name: string, options: AddOptions) => {
      const { capacity, successRate, vo, disabled = false } = options;
      const vos = vo === undefined ? null : [...vo];
      const ce = { capacity, successRate, vos, enabled: !disabled };
      await change(name, options, { verb: "add", detail: ce, work: (to) => addCe(to, { name, ...ce }) });
      await warnOfUnknownVos(name, vo);
    });
}

function changeCommand(): Command {
  return new Command("change")
    .description("change a CE's capacity, success rate or VOs; what is left out stays")
    .argument("<name>", "as `muster ce list` shows it, in any case", parseCe)
    .option("--capacity <slots>", "may be less than the active pilots, which run on", parseCapacity)
    .option("--success-rate <share>", "0 to 1", parseSuccessRate)
    .option("--vo <vo>", "a VO that may submit; may be given several times", several(parseVo))
    .option("--all-vos", "every VO may submit")
    .option("--json", "print JSON")
    .addHelpText("after", examples(...CHANGE))
    .action(async (name: string, options: ChangeOptions) => {
      const wanted = changeOf(options);
      await change(name, options, { verb: "change", detail: { ...wanted }, work: (to) => changeCe(to, name, wanted) });
      await warnOfUnknownVos(name, options.vo);
    });
}

function switchCommand(verb: "enable" | "disable", description: string): Command {
  const work = verb === "enable" ? enableCe : disableCe;
  return new Command(verb)
    .description(description)
    .argument("<name>", "as `muster ce list` shows it, in any case", parseCe)
    .option("--json", "print JSON")
    .addHelpText("after", examples(switching(verb)))
    .action(async (name: string, options: OutputOptions) => {
      await change(name, options, { verb, work: (to) => work(to, name) });
    });
}

function removeCommand(): Command {
  return new Command("remove")
    .description("remove a CE; its pilots stay as history")
    .argument("<name>", "as `muster ce list` shows it, in any case", parseCe)
    .option("--json", "print JSON")
    .addHelpText("after", examples(switching("remove")))
    .action(async (name: string, options: OutputOptions) => {
      const removed = await withPilots((database) => database.transaction((from) => removeCe(from, name)));
      print({ name, ...removed }, options, () => {
        const left = removed.activePilots === 0 ? "" : `; ${count(removed.activePilots, "pilot")} of it were active`;
        return `removed ${name}${left}`;
      });
      await auditOnNats({ action: "ce.remove", target: name, detail: { ...removed } });
    });
}

/** `muster ce`: administers compute elements. */
export function ceCommand(): Command {
  return new Command("ce")
    .description("compute elements: add, list, change, enable, disable, remove")
    .addHelpText("after", examples(...ADD, ...LIST, ...CHANGE, switching("disable"), switching("remove")))
    .addCommand(addCommand())
    .addCommand(
      watchable(new Command("list"))
        .description("all CEs with their pilots, and who submits to each now, as its lock tells")
        .option("--json", "print JSON")
        .addHelpText("after", examples(...LIST))
        .action(
          watched(async (options: OutputOptions) => {
            const ces = await withLocks(await withPilots((database) => database.transaction(listCes)));
            print(ces, options, () => showLocked(ces));
          }),
        ),
    )
    .addCommand(changeCommand())
    .addCommand(switchCommand("enable", "let new pilots in"))
    .addCommand(switchCommand("disable", "let no new pilot in; the active ones run on"))
    .addCommand(removeCommand());
}
