import * as z from "zod";

/** Where a value stands in a document, from the outside in. */
export type Path = readonly string[];

/** The schema of what stands under `key`: `unknown` where the schema has no such field; undefined where it says nothing of its parts. */
function schemaAt(schema: z.core.$ZodType, key: string): z.core.$ZodType | "unknown" | undefined {
  if (schema instanceof z.ZodObject) return Object.hasOwn(schema.shape, key) ? schema.shape[key] : "unknown";
  if (schema instanceof z.ZodRecord) return schema.valueType;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return schemaAt(schema.unwrap(), key);
  return undefined;
}

/** The parts of an object; none of anything else. */
function partsOf(value: unknown): readonly (readonly [key: string, part: unknown])[] {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

/** The fields of `value` that `schema` does not know, those of the outermost object first. */
export function findUnknownFields(schema: z.core.$ZodType, value: unknown): readonly Path[] {
  const here: Path[] = [];
  const inside: Path[] = [];
  for (const [key, part] of partsOf(value)) {
    const below = schemaAt(schema, key);
    if (below === "unknown") here.push([key]);
    else if (below !== undefined) inside.push(...findUnknownFields(below, part).map((path) => [key, ...path]));
  }
  return [...here, ...inside];
}

/** The fields that `schema` knows at `path`, which leads to an object of it; none where it leads elsewhere. */
export function knownFieldsAt(schema: z.core.$ZodType, path: Path): readonly string[] {
  const [first, ...rest] = path;
  if (first !== undefined) {
    const below = schemaAt(schema, first);
    return below === undefined || below === "unknown" ? [] : knownFieldsAt(below, rest);
  }
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return knownFieldsAt(schema.unwrap(), path);
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** An object of these entries. A field called `__proto__` is one of its own. */
function objectOf(entries: readonly (readonly [key: string, part: unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries);
}

/** The fields of `value` that `schema` does not know, with the objects around them; undefined: there are none. */
function unknownPart(schema: z.core.$ZodType, value: unknown): Record<string, unknown> | undefined {
  const kept = partsOf(value).flatMap(([key, part]) => {
    const below = schemaAt(schema, key);
    const own = below === "unknown" ? part : below === undefined ? undefined : unknownPart(below, part);
    return own === undefined ? [] : [[key, own] as const];
  });
  return kept.length === 0 ? undefined : objectOf(kept);
}

function merge(next: unknown, kept: Readonly<Record<string, unknown>>): unknown {
  const own = new Map(partsOf(next));
  for (const [key, part] of Object.entries(kept)) {
    own.set(key, partsOf(part).length > 0 ? merge(own.get(key), objectOf(partsOf(part))) : part);
  }
  return objectOf([...own]);
}

/** Returns `next` with the fields of `before` that `schema` does not know: a newer program has written them, and they are not ours. */
export function withUnknownOf<Value extends object>(schema: z.core.$ZodType, next: Value, before: unknown): Value {
  const kept = unknownPart(schema, before);
  return kept === undefined ? next : (merge(next, kept) as Value);
}

/** Returns `value` without the fields that `schema` does not know. */
export function knownPartOf<Value>(schema: z.core.$ZodType, value: Value): Value {
  if (partsOf(value).length === 0) return value;
  const known = partsOf(value).flatMap(([key, part]) => {
    const below = schemaAt(schema, key);
    if (below === "unknown" || part === undefined) return [];
    return [[key, below === undefined ? part : knownPartOf(below, part)] as const];
  });
  return objectOf(known) as Value;
}
