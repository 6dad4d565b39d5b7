// Tested by apps/dashboard/src/act/act_test.ts
import { readConfigurationText } from "@muster/app/configuration";
import { applyPlan, type ConfigurationChange, planFile } from "@muster/tasks/operate";
import * as z from "zod";
import { counted } from "../markup/format.ts";
import { type Action, action, RefusedError } from "./action.ts";
import { whole } from "./fields.ts";

/** Differences that the audit keeps one by one. */
const KEPT = 50;

/** One line on a difference. */
export function describeChange(change: ConfigurationChange): string {
  if (change.kind !== "changed") return `${change.kind}: ${change.vo}`;
  const { path, before, after } = change;
  const show = (value: unknown) => (value === undefined ? "nothing" : JSON.stringify(value));
  return `${path.join(".")}: ${show(before)} -> ${show(after)}`;
}

/** Apply a configuration whose difference was shown. */
export const CONFIGURATION_ACTIONS: readonly Action[] = [
  action(
    "config.apply",
    z.object({ yaml: z.string(), revision: whole }),
    async ({ broker, composition }, { yaml, revision }) => {
      const read = await readConfigurationText(yaml, () => composition.tasks);
      if (read.kind === "wrong") throw new RefusedError(`Cannot use it: ${read.problems[0]?.text ?? ""}`);
      const plan = await planFile(broker, read.file);
      if (plan.found.newest !== revision)
        throw new RefusedError(
          `Somebody changed the configuration after revision ${revision}: nothing was written. Look at the difference again`,
        );
      const written = await applyPlan(broker, plan);
      const changes = plan.changes.slice(0, KEPT).map(describeChange);
      return {
        said: `Applied ${counted(plan.changes.length, "change")}: revision ${written} is in force.`,
        target: `revision ${written}`,
        detail: { changes, number: plan.changes.length },
        to: "/configuration",
      };
    },
  ),
];
