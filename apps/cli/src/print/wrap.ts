/** What stands between parts of one line, at the end of a line that goes on, and before a line that does. */
interface Joints {
  readonly gap: string;
  readonly end: string;
  readonly indent: string;
}

function wrap(parts: readonly string[], columns: number, { gap, end, indent }: Joints): string[] {
  const lines: string[] = [];
  let line = parts[0] ?? "";
  for (const [index, part] of parts.slice(1).entries()) {
    const isLast = index === parts.length - 2;
    const longer = line + gap + part;
    if (Array.from(longer + (isLast ? "" : end)).length <= columns) {
      line = longer;
      continue;
    }
    lines.push(line + end);
    line = indent + part;
  }
  return [...lines, line];
}

/** Facts side by side, on as many lines as it takes. A fact that is wider than the screen stays in one piece. */
export function wrapFacts(facts: readonly string[], columns: number): string[] {
  return wrap(facts, columns, { gap: "   ", end: "", indent: "" });
}

/** A command on as many lines as it takes: each but the last ends with a backslash, so that it can be copied as it stands. */
export function wrapCommand(words: readonly string[], columns: number): string[] {
  return wrap(words, columns, { gap: " ", end: " \\", indent: "  " });
}
