/** A column of a table. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

/** Cuts a text to `width` characters. The last of them shows that something was cut. */
export function cut(text: string, width: number): string {
  const characters = Array.from(text);
  if (characters.length <= width) return text;
  return `${characters.slice(0, Math.max(width - 1, 0)).join("")}…`;
}

function pad(text: string, width: number, align: Column["align"]): string {
  const blanks = " ".repeat(Math.max(width - Array.from(text).length, 0));
  return align === "left" ? text + blanks : blanks + text;
}

/** Returns the lines of a table: titles, then rows. The first column is cut if the table is wider than `width`. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): string[] {
  const gap = 2;
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => Array.from(row[index] ?? "").length)),
  );
  const [first = 0, ...others] = widths;
  const room = width - others.reduce((sum, other) => sum + other + gap, 0);
  widths[0] = Math.max(Math.min(first, room), Math.min(first, 8));
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, index) => pad(cut(cells[index] ?? "", widths[index] ?? 0), widths[index] ?? 0, align))
      .join(" ".repeat(gap))
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...rows.map(line)].map((text) => cut(text, width));
}
