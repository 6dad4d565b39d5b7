/** Returns the time of the machine's monotonic clock, µs. All processes of the machine share this clock. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}
