import { escapeControls } from "@muster/service";
import { type Column, renderTable } from "./table.ts";

/** What every command that prints takes. */
export interface OutputOptions {
  /** One JSON document on standard output, and nothing else there. */
  readonly json?: boolean;
}

/** Titles that begin with `#` are of numbers and stand to the right. */
function columnOf(title: string): Column {
  return title.startsWith("#") ? { title: title.slice(1), align: "right" } : { title, align: "left" };
}

/** A table as text. What stands in a cell may come from anybody, so control characters are escaped. */
export function tableText(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  // Only a terminal has an end of the line; what is piped into another program is whole.
  const width = process.stdout.isTTY ? (process.stdout.columns ?? 120) : Number.MAX_SAFE_INTEGER;
  const safe = rows.map((row) => row.map((cell) => escapeControls(cell)));
  return renderTable(titles.map(columnOf), safe, width).join("\n");
}

/** Prints the answer: as JSON where that was asked for, else as the text that `text` makes. */
export function print(value: unknown, options: OutputOptions, text: () => string): void {
  console.log(options.json === true ? JSON.stringify(value, null, 2) : text());
}

/** `1 task`, `2 tasks`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
