// Tested by tests/src/cli/group_test.ts
import { escapeControls } from "@muster/service";
import type { EndedChild } from "@muster/tasks";
import { childrenOfGroup, type GroupState, readGroup } from "@muster/tasks/operate";
import { Command } from "commander";
import { type OutputOptions, print, tableText } from "../print/output.ts";
import { SHOWN } from "../print/sum_up.ts";
import { withBroker } from "../run/servers.ts";
import { parseTaskId } from "../run/values.ts";
import { stateOf } from "./state.ts";

const EXAMPLES = `
Examples:
  muster group show "nightly/group/6Zt0hX9mZyqk0yC9m0k3Vw"
  muster group show "nightly/group/6Zt0hX9mZyqk0yC9m0k3Vw" --json | jq '.children[] | select(.outcome != "done")'`;

interface Shown {
  readonly group: GroupState;
  readonly children: readonly EndedChild[];
}

/** A group does not exist, or was removed a day after its callback had ended. */
export class UnknownGroupError extends Error {
  override readonly name = "UnknownGroupError";
  constructor(id: string) {
    super(
      `Cannot show group ${JSON.stringify(id)}: there is none, or its callback ended a day ago; see muster group list`,
    );
  }
}

function describe({ group, children }: Shown): string {
  const open = group.closed === null;
  const others = children.filter(({ outcome }) => outcome !== "done");
  const fields: [string, string][] = [
    ["group", group.id],
    ["state", stateOf(group)],
    ["parent", group.parent],
    ["callback", `${group.then.task} of ${group.then.vo}, ${group.then.taskId}`],
    ["policy", group.policy],
    ["deadline", group.deadlineAt],
    ["ended", `${group.ended} of ${group.total}, ${group.failed} of them not done`],
  ];
  const lines = fields.map(([name, value]) => `${name.padEnd(8)}  ${escapeControls(value)}`);
  if (others.length === 0) return lines.join("\n");
  const rows = others
    .slice(0, SHOWN)
    .map(({ key, outcome, task, vo, taskId, error }) => [
      ...[key, open && outcome === "missing" ? "not ended" : outcome, task, vo, taskId, error ?? ""],
    ]);
  const table = tableText(["KEY", "OUTCOME", "TASK", "VO", "TASK ID", "ERROR"], rows);
  const more = others.length > SHOWN ? `\nand ${others.length - SHOWN} more; all with --json` : "";
  return `${lines.join("\n")}\n\n${table}${more}`;
}

/** `muster group show`. */
export function showGroupCommand(): Command {
  return new Command("show")
    .description("one group: its progress, its callback, and the children that are not done")
    .argument("<id>", "its id, as spawnGroup returned it", parseTaskId)
    .option("--json", "print JSON, with all children and their results")
    .addHelpText("after", EXAMPLES)
    .action(async (id: string, options: OutputOptions) => {
      const shown = await withBroker(async (broker): Promise<Shown> => {
        const group = await readGroup(broker, id);
        if (group === undefined) throw new UnknownGroupError(id);
        const children: EndedChild[] = [];
        for await (const child of childrenOfGroup(broker, group)) children.push(child);
        return { group, children };
      });
      print({ ...shown.group, children: shown.children }, options, () => describe(shown));
    });
}
