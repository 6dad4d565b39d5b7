/** Now on the machine's monotonic clock, which all its processes share; microseconds. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}
