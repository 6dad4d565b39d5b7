/** Texts between two parts of one line, at the end of a line that continues, and before the line that continues it. */
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

/** Returns facts side by side, on as many lines as needed. A fact that is wider than the screen stays in one piece. */
export function wrapFacts(facts: readonly string[], columns: number): string[] {
  return wrap(facts, columns, { gap: "   ", end: "", indent: "" });
}

/** Returns a command on as many lines as needed. Each line but the last ends with a backslash, so the command can be copied. */
export function wrapCommand(words: readonly string[], columns: number): string[] {
  return wrap(words, columns, { gap: " ", end: " \\", indent: "  " });
}
