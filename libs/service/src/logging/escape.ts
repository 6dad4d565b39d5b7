/**
 * Characters that act on a terminal or disguise text. They are control characters (C0, DEL, C1), line separators,
 * changes of the writing direction, zero-width characters, the byte order mark, and halves of a surrogate pair.
 */
const ACTING = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return (
    SHORT[character] ??
    (code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`)
  );
}

/** `text` on one line, with every character that would act on a terminal shown as text: `\x1b[31m`. */
export function escapeControls(text: string): string {
  return text.replace(ACTING, escapeCharacter);
}

/** Like {@linkcode escapeControls}, but keeps line feeds and tabs, for a stack trace or pretty-printed JSON. */
export function escapeControlsInLines(text: string): string {
  return text.replace(ACTING, (character) =>
    character === "\n" || character === "\t" ? character : escapeCharacter(character),
  );
}
