// Tested by tests/src/cli/pilot_test.ts
import { listPilots, PILOT_STATUSES, type PilotFilter, type PilotRow, type PilotStatus } from "@muster/logic";
import { Command, InvalidArgumentError } from "commander";
import { examples } from "../print/examples.ts";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { shortly } from "../print/time.ts";
import { watchable, watched } from "../run/watch.ts";
import { parseCe } from "../run/ce_values.ts";
import { withPilots } from "../run/servers.ts";
import { parseVo, parseWhole } from "../run/values.ts";

const LIST = [
  "muster pilot list --vo lhcb --status failed",
  "muster pilot list --ce ce01.example.org --limit 200 --output wide",
  "muster pilot list --before 4711 --json",
];

/** Options by which pilots are chosen. */
export interface ChooseOptions {
  readonly vo?: string;
  readonly ce?: string;
}

interface ListOptions extends OutputOptions, ChooseOptions {
  readonly status?: readonly PilotStatus[];
  readonly before?: number;
  readonly limit: number;
}

/** Reads the status of a pilot, in any case, and adds it to those before. */
function parseStatus(text: string, before: readonly PilotStatus[] = []): readonly PilotStatus[] {
  const status = PILOT_STATUSES.find((each) => each === text.toUpperCase());
  if (status !== undefined) return [...before, status];
  throw new InvalidArgumentError(`A pilot is one of ${PILOT_STATUSES.join(", ").toLowerCase()}.`);
}

/** Gives a command the options by which pilots are chosen. */
export function withChoice(command: Command): Command {
  return command
    .option("--vo <vo>", "only this VO's", parseVo)
    .option("--ce <name>", "only those at this CE, in any case", parseCe);
}

function table(pilots: readonly PilotRow[]): string {
  return tableText(
    ["#PILOT", "CE", "VO", "STATUS", "#FOR", "+SUBMITTED AT", "+SINCE", "TASK ID"],
    pilots.map(({ id, ceName, vo, status, submittedAt, updatedAt, taskId }) => [
      ...[String(id), ceName, vo, status, shortly(Math.max(0, Date.now() - updatedAt.getTime()))],
      ...[submittedAt.toISOString(), updatedAt.toISOString(), taskId],
    ]),
  );
}

function show(pilots: readonly PilotRow[], next: number | null): string {
  if (pilots.length === 0) return "There is no such pilot";
  return `${table(pilots)}\n\n${count(pilots.length, "pilot")}${next === null ? "" : `; older ones with --before ${next}`}`;
}

/** `muster pilot list`. */
export function listPilotsCommand(): Command {
  return watchable(withChoice(new Command("list")))
    .description("pilots, the newest first, with their status and since when they have it")
    .option(
      "--status <status>",
      "only these: submitted, running, done, failed; may be given several times",
      parseStatus,
    )
    .option("--before <pilot>", "only older ones than this, for the next page", parseWhole("A pilot", 1, 2 ** 53 - 1))
    .option("--limit <number>", "at most this many, up to 10000", parseWhole("A limit", 1, 10_000), 50)
    .option("--json", "print JSON")
    .addHelpText("after", examples(...LIST))
    .action(
      watched(async ({ vo, ce, status, before, limit, ...options }: ListOptions) => {
        const filter: PilotFilter = { vo, ceName: ce, statuses: status, before };
        const found = await withPilots((database) =>
          database.transaction((from) => listPilots(from, filter, limit + 1)),
        );
        const pilots = found.slice(0, limit);
        const next = found.length > limit ? (pilots.at(-1)?.id ?? null) : null;
        print({ pilots, next }, options, () => show(pilots, next));
      }),
    );
}
