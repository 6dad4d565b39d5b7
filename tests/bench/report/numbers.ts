/** Prints a number with its significant digits only. */
export function short(value: number): string {
  if (Number.isNaN(value)) return "-";
  if (value >= 1_000) return Math.round(value).toLocaleString("en");
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
