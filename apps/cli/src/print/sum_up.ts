/** Largest number of lines of one kind that a command prints. Its JSON has all of them. */
export const SHOWN = 50;

/** Returns the lines of the first {@linkcode SHOWN} items, and one line by `rest` for all others. */
export function linesOf<Item>(
  items: readonly Item[],
  line: (item: Item) => string,
  rest: (others: readonly Item[]) => string,
): readonly string[] {
  const others = items.slice(SHOWN);
  return [...items.slice(0, SHOWN).map(line), ...(others.length === 0 ? [] : [rest(others)])];
}

/** Sums a number over items. */
export function sumOf<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}
