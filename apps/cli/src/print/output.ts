import { escapeControls } from "@muster/service";
import { type Column, renderTable } from "./table.ts";

/** The options of every command that prints. */
export interface OutputOptions {
  /** Print one JSON document on standard output, and nothing else there. */
  readonly json?: boolean;
}

/** A column for a title. Titles that begin with `#` stand over numbers, which are aligned to the right. */
function columnOf(title: string): Column {
  return title.startsWith("#") ? { title: title.slice(1), align: "right" } : { title, align: "left" };
}

/** A table as text. The text of a cell may come from anybody, so control characters are escaped. */
export function tableText(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  // Only a terminal has a width. Output that is piped into another program is not cut.
  const width = process.stdout.isTTY ? (process.stdout.columns ?? 120) : Number.MAX_SAFE_INTEGER;
  const safe = rows.map((row) => row.map((cell) => escapeControls(cell)));
  return renderTable(titles.map(columnOf), safe, width).join("\n");
}

/** Prints the result: as JSON if that was asked for, otherwise as the text that `text` returns. */
export function print(value: unknown, options: OutputOptions, text: () => string): void {
  console.log(options.json === true ? JSON.stringify(value, null, 2) : text());
}

/** `1 task`, `2 tasks`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
