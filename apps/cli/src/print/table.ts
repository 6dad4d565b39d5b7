/** A column of a table. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

const GAP = 2;
/** Smallest width to which a column of text is cut. */
const NARROWEST = 8;

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

/**
 * Makes columns of text narrower until all fit into `width`, the widest first. Numbers stay whole, and a title is cut only as far as its
 * column's text.
 */
function narrowed(columns: readonly Column[], widths: readonly number[], width: number): readonly number[] {
  const fitted = [...widths];
  let excess = fitted.reduce((sum, each) => sum + each, GAP * (fitted.length - 1)) - width;
  while (excess > 0) {
    const wide = fitted.map((each, index) => (columns[index]?.align === "left" && each > NARROWEST ? each : 0));
    const widest = Math.max(0, ...wide);
    if (widest === 0) break;
    const next = Math.max(NARROWEST, ...wide.filter((each) => each < widest));
    const ofWidest = wide.flatMap((each, index) => (each === widest ? [index] : []));
    const each = Math.max(1, Math.min(widest - next, Math.ceil(excess / ofWidest.length)));
    for (const index of ofWidest) {
      if (excess <= 0) break;
      fitted[index] = widest - each;
      excess -= each;
    }
  }
  return fitted;
}

/** Returns the lines of a table: titles, then rows. Columns of text are cut where the table is wider than `width`, the widest first. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): string[] {
  const widths = columns.map(({ title }, index) =>
    rows.reduce((most, row) => Math.max(most, Array.from(row[index] ?? "").length), title.length),
  );
  const fitted = narrowed(columns, widths, width);
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, index) => pad(cut(cells[index] ?? "", fitted[index] ?? 0), fitted[index] ?? 0, align))
      .join(" ".repeat(GAP))
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...rows.map(line)].map((text) => cut(text, width));
}
