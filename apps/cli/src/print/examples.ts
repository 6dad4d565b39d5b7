/** The end of a command's help: how it is called. Each line is parsed by a test. */
export function examples(...lines: readonly string[]): string {
  return `\nExample${lines.length === 1 ? "" : "s"}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
