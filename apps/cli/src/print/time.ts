const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
];

/** A length of time in its largest whole unit: `3d`, `45s`, `now`. */
export function shortly(ms: number): string {
  const [unit, unitMs] = UNITS.find(([, each]) => ms >= each) ?? ["", 0];
  return unitMs === 0 ? "now" : `${Math.floor(ms / unitMs)}${unit}`;
}

/** Reads `90s`, `10m`, `2h` or `60d` as ms; undefined for anything else. */
export function parseLength(text: string): number | undefined {
  const [, digits, unit] = /^([0-9]{1,9})([dhms])$/.exec(text) ?? [];
  const unitMs = UNITS.find(([name]) => name === unit)?.[1];
  return unitMs === undefined ? undefined : Number(digits) * unitMs;
}
