import { short } from "./numbers.ts";
import { type Figure, isMet, type RowReport, type Target } from "./report.ts";
import { median } from "./statistics.ts";

function figureLine({ contender, what, unit, rounds }: Figure): string {
  const range = rounds.length > 1 ? `  (${short(Math.min(...rounds))} to ${short(Math.max(...rounds))})` : "";
  return `  ${contender.padEnd(16)} ${what.padEnd(28)} ${short(median(rounds)).padStart(10)} ${unit}${range}`;
}

/** Prints a ratio with its bound, e.g. `0.52 (at least 0.5)`. */
export function bound({ ratio, atLeast, atMost }: Target): string {
  return `${short(ratio)} (${atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`})`;
}

function targetLine(target: Target): string {
  return `  ${isMet(target) ? "met   " : "MISSED"} ${target.name}: ${bound(target)}`;
}

/** Prints one row for a terminal. */
export function printRow({ row, title, durability, figures, targets, notes }: RowReport): string {
  const lines = [`${row}: ${title}`, `  durability: ${durability}`];
  lines.push(...figures.map(figureLine), ...targets.map(targetLine), ...notes.map((note) => `  note: ${note}`));
  return `${lines.join("\n")}\n`;
}

export function printSummary(targets: readonly Target[]): string {
  const met = targets.filter(isMet).length;
  return `${met} of ${targets.length} targets met`;
}
