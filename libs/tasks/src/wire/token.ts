const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Bytes that stand for themselves in a token: legal in subjects, KV keys and consumer names alike. */
const PLAIN = /[A-Za-z0-9_-]/;

function escapeBytes(text: string, plain: (character: string, index: number) => boolean): string {
  let escaped = "";
  let index = 0;
  for (const byte of encoder.encode(text)) {
    const character = String.fromCharCode(byte);
    escaped +=
      byte < 0x80 && plain(character, index) ? character : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    index++;
  }
  return escaped;
}

/** `text` as one token of a subject, a KV key or a consumer's name: every other byte becomes `=HH`. Reversed by {@linkcode unescapeToken}. */
export function escapeToken(text: string): string {
  return escapeBytes(text, (character) => PLAIN.test(character));
}

/**
 * `text` as the tail of a KV key: dots and slashes stay, so that `my_pilot.ce01.example.org` reads well.
 *
 * A dot that would begin, end or double is escaped, since KV refuses empty tokens.
 */
export function escapeKey(text: string): string {
  return escapeBytes(text, (character, index) => {
    if (character === "/") return true;
    if (character === ".") return index > 0 && index < text.length - 1 && text[index - 1] !== ".";
    return PLAIN.test(character);
  });
}

/** The text that {@linkcode escapeToken} or {@linkcode escapeKey} was given. Throws where an escape is cut off or is no UTF-8. */
export function unescapeToken(token: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < token.length; at++) {
    if (token[at] !== "=") {
      bytes.push(...encoder.encode(token[at]));
      continue;
    }
    const hex = token.slice(at + 1, at + 3);
    if (!/^[0-9A-F]{2}$/.test(hex))
      throw new SyntaxError(`Cannot read token ${JSON.stringify(token)}: bad escape at ${at}`);
    bytes.push(Number.parseInt(hex, 16));
    at += 2;
  }
  return decoder.decode(Uint8Array.from(bytes));
}
