/** HTML that may be sent as it is: each text in it was escaped. Only {@linkcode html} and {@linkcode trusted} make it. */
export interface Markup {
  readonly html: string;
}

/** What a template may hold. A text or number is escaped; a list is joined; nothing is left out. */
export type Part = Markup | string | number | undefined | null | false | readonly Part[];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Characters that a page must not show as they are: controls, and those that turn the direction of text. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** The text with HTML's own characters escaped, and with invisible ones as their code points. */
export function escapeHtml(text: string): string {
  return text
    .replace(/[&<>"']/g, (sign) => ESCAPES[sign] ?? "")
    .replace(UNSEEN, (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`);
}

function isMarkup(part: object): part is Markup {
  return "html" in part;
}

function textOf(part: Part): string {
  if (part === undefined || part === null || part === false) return "";
  if (typeof part === "string") return escapeHtml(part);
  if (typeof part === "number") return String(part);
  return isMarkup(part) ? part.html : part.map(textOf).join("");
}

/**
 * A template of HTML. Whatever is put into it is escaped, unless a template made it.
 *
 * ```ts
 * html`<p>${"<script>"}</p>`.html; // <p>&lt;script&gt;</p>
 * ```
 */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { html: texts.reduce((all, text, index) => all + textOf(parts[index - 1]) + text) };
}

/** HTML from a text that this program itself has made. */
export function trusted(text: string): Markup {
  return { html: text };
}
