import { escapeControls } from "@muster/service";
import { currentScreen, documentOf } from "./screen.ts";
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

/**
 * A table as text, as wide as the terminal at most. The text of a cell may come from anybody, so control characters are escaped.
 *
 * A column whose title begins with `+` is shown with `--output wide` alone.
 */
export function tableText(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const { format, width = Number.MAX_SAFE_INTEGER } = currentScreen();
  const isWide = format === "wide";
  const shown = titles.flatMap((title, index) => (isWide || !title.startsWith("+") ? [index] : []));
  const columns = shown.map((index) => columnOf((titles[index] ?? "").replace(/^\+/, "")));
  const cells = rows.map((row) => shown.map((index) => escapeControls(row[index] ?? "")));
  return renderTable(columns, cells, isWide ? Number.MAX_SAFE_INTEGER : width).join("\n");
}

/**
 * Prints the result: as JSON or YAML if that was asked for, otherwise as the text that `text` returns. Only a command that takes the options of
 * the output has them to give.
 */
export function print(value: unknown, _options: OutputOptions, text: () => string): void {
  console.log(documentOf(value) ?? text());
}

/** `1 task`, `2 tasks`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
