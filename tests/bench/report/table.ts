import { median } from "./statistics.ts";
import { type Figure, isMet, type RowReport, type Target } from "./report.ts";

/** A number with as many digits as mean something. */
export function short(value: number): string {
  if (Number.isNaN(value)) return "-";
  if (value >= 1_000) return Math.round(value).toLocaleString("en");
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function figureLine({ contender, what, unit, rounds }: Figure): string {
  const range = rounds.length > 1 ? `  (${short(Math.min(...rounds))} to ${short(Math.max(...rounds))})` : "";
  return `  ${contender.padEnd(16)} ${what.padEnd(28)} ${short(median(rounds)).padStart(10)} ${unit}${range}`;
}

/** E.g. `0.52 (at least 0.5)`. */
export function bound({ ratio, atLeast, atMost }: Target): string {
  return `${short(ratio)} (${atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`})`;
}

function targetLine(target: Target): string {
  return `  ${isMet(target) ? "met   " : "MISSED"} ${target.name}: ${bound(target)}`;
}

/** One row for a terminal. */
export function printRow({ row, title, durability, figures, targets, notes }: RowReport): string {
  const lines = [`${row}: ${title}`, `  durability: ${durability}`];
  lines.push(...figures.map(figureLine), ...targets.map(targetLine), ...notes.map((note) => `  note: ${note}`));
  return `${lines.join("\n")}\n`;
}

export function printSummary(targets: readonly Target[]): string {
  const met = targets.filter(isMet).length;
  return `${met} of ${targets.length} targets met`;
}
