/** Variable that `npm run storms` sets to have the large form of tests that have two. */
const SIZE = "MUSTER_TEST_SIZE";

/**
 * How much a test plays: `small` in `npm test`, which must end within minutes, and `large` in `npm run storms`. Both forms have the same
 * faults and the same invariants.
 */
export function sized({ small, large }: { readonly small: number; readonly large: number }): number {
  return process.env[SIZE] === "large" ? large : small;
}
