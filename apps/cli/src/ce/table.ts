import type { CeOverview } from "@muster/logic";
import { tableText } from "../print/output.ts";

/** Titles of the columns of a CE. */
export const TITLES = ["CE", "STATE", "#CAPACITY", "#ACTIVE", "#DONE", "#FAILED", "#SUCCESS RATE", "VOS"] as const;

/** What stands in the columns of a CE. */
export function rowOf({ name, enabled, capacity, active, done, failed, successRate, vos }: CeOverview): string[] {
  const figures = [capacity, active, done, failed, successRate].map(String);
  return [name, enabled ? "enabled" : "disabled", ...figures, vos === null ? "all" : vos.join(", ") || "none"];
}

/** CEs as a table. */
export function showCes(ces: readonly CeOverview[]): string {
  if (ces.length === 0) return "There is no CE; add one with `muster ce add`";
  return tableText(TITLES, ces.map(rowOf));
}
