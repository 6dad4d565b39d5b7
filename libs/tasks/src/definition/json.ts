/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object, the shape of every payload. A field that is `undefined` is one that is left out. */
export type JsonObject = { readonly [key: string]: Json | undefined };

/**
 * JSON with sorted keys and no white space, so that equal values have equal text.
 *
 * What JSON cannot hold (`undefined`, functions) is left out, as `JSON.stringify` does.
 */
export function canonicalJson(value: Json): string {
  return JSON.stringify(value, (_key, part: Json) => {
    if (part === null || typeof part !== "object" || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}
