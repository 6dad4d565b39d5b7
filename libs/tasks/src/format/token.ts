const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes that stand for themselves in a token: legal in subjects, KV keys and consumer names alike. */
const PLAIN = /[A-Za-z0-9_-]/;
const DOT = 0x2e;

function escapeBytes(text: string, isPlain: (character: string, at: number, bytes: Uint8Array) => boolean): string {
  const bytes = encoder.encode(text);
  let escaped = "";
  for (const [at, byte] of bytes.entries()) {
    const character = String.fromCharCode(byte);
    const plain = byte < 0x80 && isPlain(character, at, bytes);
    escaped += plain ? character : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
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
  return escapeBytes(text, (character, at, bytes) => {
    if (character === "/") return true;
    if (character === ".") return at > 0 && at < bytes.length - 1 && bytes[at - 1] !== DOT;
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
