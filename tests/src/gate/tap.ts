/** Counts of the tests in a TAP stream. */
export interface TapCounts {
  readonly passed: number;
  readonly failed: number;
  /** Tests that were announced and did not run. */
  readonly skipped: number;
}

/** Reads TAP line by line. A test that was skipped or is marked as todo counts neither as passed nor as failed. */
export function makeTapCounter(): { read(line: string): void; counts(): TapCounts } {
  let [passed, failed, skipped] = [0, 0, 0];
  function read(line: string): void {
    const result = /^(not ok|ok)\b(.*)/.exec(line);
    if (result === null) return;
    if (/# (?:SKIP|TODO)\b/i.test(result[2] ?? "")) skipped++;
    else if (result[1] === "ok") passed++;
    else failed++;
  }
  return { read, counts: () => ({ passed, failed, skipped }) };
}
