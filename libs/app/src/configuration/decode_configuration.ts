// Tested by apps/cli/src/config/wrong_files_test.ts
import type { Place, SourceProblem } from "./yaml_source.ts";

/** The place of the first byte that is no UTF-8. */
function placeOfBadByte(bytes: Uint8Array): Place {
  // What was replaced is the first difference between the bytes and the text that was read from them.
  const read = new TextEncoder().encode(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
  let at = 0;
  while (at < bytes.length && bytes[at] === read[at]) at++;
  const before = new TextDecoder().decode(bytes.subarray(0, at)).split("\n");
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

/** The text of a file, without a byte order mark, or where it stops to be one. */
export function decodeConfiguration(
  bytes: Uint8Array,
): { readonly text: string } | { readonly problem: SourceProblem } {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return { problem: { ...placeOfBadByte(bytes), text: "it is not UTF-8; save the file as UTF-8" } };
  }
}
