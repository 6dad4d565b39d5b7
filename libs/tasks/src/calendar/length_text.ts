/** Units of a length of time, the longest first, ms. */
const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
];

/** Reads a length of time, such as `90s` or `10m`, as ms; undefined for anything else. */
export function parseLengthMs(text: string): number | undefined {
  const [, count, unit] = /^([0-9]{1,12})\s*([a-z]+)$/.exec(text) ?? [];
  const unitMs = UNITS.find(([name]) => name === unit)?.[1];
  return unitMs === undefined ? undefined : Number(count) * unitMs;
}

/** Prints a length of time in its largest whole unit, as {@linkcode parseLengthMs} reads it. */
export function printLength(ms: number): string {
  const [unit, unitMs] = UNITS.find(([, each]) => ms % each === 0) ?? ["ms", 1];
  return `${ms / unitMs}${unit}`;
}
