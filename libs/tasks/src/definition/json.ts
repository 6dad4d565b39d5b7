/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object, the shape of every payload. A field whose value is `undefined` is left out. */
export type JsonObject = { readonly [key: string]: Json | undefined };

/**
 * JSON with sorted keys and without white space, so that equal values have equal text.
 *
 * Leaves out what JSON cannot hold (`undefined`, functions), as `JSON.stringify` does.
 */
export function canonicalJson(value: Json): string {
  return JSON.stringify(sorted(value));
}

function isInOrder(keys: readonly string[]): boolean {
  for (let at = 1; at < keys.length; at++) if ((keys[at - 1] ?? "") > (keys[at] ?? "")) return false;
  return true;
}

function sorted(value: Json | undefined): Json | undefined {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((part) => sorted(part) ?? null);
  const keys = Object.keys(value);
  const fields = value as JsonObject;
  const copy: Record<string, Json | undefined> = {};
  for (const key of isInOrder(keys) ? keys : keys.sort()) copy[key] = sorted(fields[key]);
  return copy;
}
