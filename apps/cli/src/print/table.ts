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

/** Number of the first columns of text that name a row: as many as tell all rows apart, and one where they do not. */
function countNaming(columns: readonly Column[], rows: readonly (readonly string[])[]): number {
  const leading = columns.findIndex(({ align }) => align !== "left");
  const most = leading < 0 ? columns.length : leading;
  for (let count = 1; count <= most; count++) {
    const names = new Set(rows.map((row) => JSON.stringify(row.slice(0, count))));
    if (names.size === rows.length) return count;
  }
  return Math.min(1, most);
}

/** Smallest width at which different texts are still different once they are cut, and at most half of the table's. */
function leastWidth(texts: readonly string[], width: number): number {
  const different = [...new Set(texts)];
  const longest = different.reduce((most, text) => Math.max(most, Array.from(text).length), 0);
  for (let least = NARROWEST; least < longest; least++) {
    if (new Set(different.map((text) => cut(text, least))).size === different.length) {
      return Math.max(NARROWEST, Math.min(least, Math.floor(width / 2)));
    }
  }
  return Math.max(NARROWEST, Math.min(longest, Math.floor(width / 2)));
}

/** Makes columns of text narrower until all fit into `width`, the widest first, and none narrower than its `least`. Numbers stay whole. */
function narrowed(widths: readonly number[], least: readonly number[], width: number): readonly number[] {
  const fitted = [...widths];
  let excess = fitted.reduce((sum, each) => sum + each, GAP * (fitted.length - 1)) - width;
  while (excess > 0) {
    const wide = fitted.map((each, index) => (each > (least[index] ?? each) ? each : 0));
    const widest = Math.max(0, ...wide);
    if (widest === 0) break;
    const ofWidest = wide.flatMap((each, index) => (each === widest ? [index] : []));
    const floor = Math.max(...ofWidest.map((index) => least[index] ?? 0), ...wide.filter((each) => each < widest));
    const each = Math.max(1, Math.min(widest - floor, Math.ceil(excess / ofWidest.length)));
    for (const index of ofWidest) {
      if (excess <= 0) break;
      fitted[index] = widest - each;
      excess -= each;
    }
  }
  return fitted;
}

/** Number of the first columns that fit into `width`, at least one. */
function countFitting(widths: readonly number[], width: number): number {
  let taken = 0;
  const tooWide = widths.findIndex((each, index) => {
    taken += each + (index === 0 ? 0 : GAP);
    return taken > width;
  });
  return tooWide < 0 ? widths.length : Math.max(1, tooWide);
}

/** Shown after the titles where columns are left out. */
const MORE = " …";

/**
 * Returns the lines of a table: titles, then rows. Columns of text are cut where the table is wider than `width`, the widest first. Those that
 * name a row are cut only as far as the rows can be told apart. What does not fit even so is left out, the last columns first.
 */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): string[] {
  const widths = columns.map(({ title }, index) =>
    rows.reduce((most, row) => Math.max(most, Array.from(row[index] ?? "").length), title.length),
  );
  const naming = countNaming(columns, rows);
  const least = columns.map(({ align }, index) => {
    if (align !== "left") return widths[index] ?? 0;
    return index < naming
      ? leastWidth(
          rows.map((row) => row[index] ?? ""),
          width,
        )
      : NARROWEST;
  });
  const fitted = narrowed(widths, least, width);
  const isWhole = countFitting(fitted, width) === columns.length;
  const shown = columns.slice(0, isWhole ? columns.length : countFitting(fitted, width - MORE.length));
  const line = (cells: readonly string[]) =>
    shown
      .map(({ align }, index) => pad(cut(cells[index] ?? "", fitted[index] ?? 0), fitted[index] ?? 0, align))
      .join(" ".repeat(GAP))
      .trimEnd();
  const titles = line(columns.map(({ title }) => title)) + (isWhole ? "" : MORE);
  return [titles, ...rows.map(line)].map((text) => cut(text, width));
}
