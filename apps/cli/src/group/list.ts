// Tested by tests/src/cli/group_test.ts
import { type GroupState, listGroups } from "@muster/tasks/operate";
import { Command } from "commander";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { withBroker } from "../run/servers.ts";
import { watchable, watched } from "../run/watch.ts";
import { stateOf } from "./state.ts";

const EXAMPLES = `
Examples:
  muster group list
  muster group list --json | jq '.[] | select(.closed == null and .failed > 0)'`;

function show(groups: readonly GroupState[]): string {
  if (groups.length === 0) return "No group is open, and none was called back within a day";
  const rows = groups.map((group) => [
    ...[group.id, stateOf(group), String(group.ended), String(group.total), String(group.failed)],
    ...[group.then.task, group.then.vo, group.deadlineAt],
  ]);
  const table = tableText(["GROUP", "STATE", "#ENDED", "#CHILDREN", "#FAILED", "CALLBACK", "VO", "DEADLINE"], rows);
  return `${table}\n\n${count(groups.length, "group")}`;
}

/** `muster group list`. */
export function listGroupsCommand(): Command {
  return watchable(new Command("list"))
    .description(
      "groups that are open, and those called back within a day, the oldest first; a thousand are read at most",
    )
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(
      watched(async (options: OutputOptions) => {
        const groups = await withBroker((broker) => listGroups(broker));
        print(groups, options, () => show(groups));
      }),
    );
}
