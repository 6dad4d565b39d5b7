// Tested by tests/src/cli/operate_test.ts
import { type AuditFilter, type AuditPage, listAudit } from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { type OutputOptions, print, tableText } from "../print/output.ts";
import { watchable, watched } from "../run/watch.ts";
import { withBroker } from "../run/servers.ts";
import { parseWanted, parseWhole } from "../run/values.ts";

const LIST = [
  "muster audit list",
  "muster audit list --action queue --who ana@ui01",
  "muster audit list --target MyPilotTask --output json | jq '.records[].detail'",
];

function show({ records, next }: AuditPage): string {
  const more = next === undefined ? "" : `\n\nolder ones with --before ${next}`;
  if (records.length === 0) return `No such change was kept${more}`;
  const table = tableText(
    ["#SEQUENCE", "AT", "WHO", "BY", "ACTION", "TARGET", "DETAIL"],
    records.map(({ sequence, at, who, from, action, target, detail }) => [
      ...[String(sequence), at, who, from, action, target],
      detail === undefined ? "" : JSON.stringify(detail),
    ]),
  );
  return `${table}${more}`;
}

/** `muster audit`: shows who changed what by hand. */
export function auditCommand(): Command {
  return new Command("audit").description("who changed what by hand: list").addCommand(
    watchable(new Command("list"))
      .description("what was changed by the command line or the dashboard, the newest first; kept for 400 days")
      .option("--action <action>", "only this one, or those that begin so: queue, queue.pause", parseWanted)
      .option("--who <user>", "only what this user did, as ana@ui01", parseWanted)
      .option("--target <text>", "only where the target holds this text", parseWanted)
      .option(
        "--before <sequence>",
        "only older ones than this, for the next page",
        parseWhole("A sequence", 1, Number.MAX_SAFE_INTEGER),
      )
      .option("--limit <number>", "at most this many, up to 1000", parseWhole("A limit", 1, 1_000), 50)
      .option("--json", "print JSON")
      .addHelpText("after", examples(...LIST))
      .action(
        watched(async ({ action, who, target, before, limit, ...options }: AuditFilter & OutputOptions) => {
          const page = await withBroker((broker) => listAudit(broker, { action, who, target, before, limit }));
          print({ records: page.records, next: page.next ?? null }, options, () => show(page));
        }),
      ),
  );
}
