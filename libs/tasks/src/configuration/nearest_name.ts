/** Greatest number of letters by which a misspelt name differs from the one that was meant. */
const MISSPELT = 2;

/** Number of letters to add, leave out, change or swap with the next on the way from one text to the other. */
function distance(from: string, to: string): number {
  const first = Array.from({ length: to.length + 1 }, (_, column) => column);
  const rows: number[][] = [first];
  const at = (line: number, column: number) => rows[line]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let line = 1; line <= from.length; line++) {
    const row = [line];
    rows.push(row);
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[line - 1] === to[column - 1];
      const isSwapped = from[line - 1] === to[column - 2] && from[line - 2] === to[column - 1];
      row.push(
        Math.min(
          at(line - 1, column - 1) + (isSame ? 0 : 1),
          at(line - 1, column) + 1,
          at(line, column - 1) + 1,
          isSwapped ? at(line - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
  }
  return at(from.length, to.length);
}

/** The name that was probably meant by `name`, which is none of `names`; undefined: nothing is near. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  const near = names
    .filter((each) => Math.abs(each.length - name.length) <= MISSPELT)
    .map((each) => ({ each, far: distance(name.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, far }) => far <= MISSPELT && far < each.length / 2)
    .sort((a, b) => a.far - b.far);
  return near[0]?.each;
}
