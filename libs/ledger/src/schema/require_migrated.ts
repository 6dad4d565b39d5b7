import { compareMigrations, type Query } from "./applied.ts";
import { listOf, type TableSet } from "./table_set.ts";

/** The database lacks migrations that this program needs. */
export class SchemaBehindError extends Error {
  override readonly name = "SchemaBehindError";
  /** Each as `set/migration`. */
  readonly missing: readonly string[];
  constructor(missing: readonly string[]) {
    super(`Cannot use the database: its schema lacks ${missing.join(", ")}; run \`muster migrate\``);
    this.missing = missing;
  }
}

/** The database was migrated by a newer version than this program. */
export class SchemaAheadError extends Error {
  override readonly name = "SchemaAheadError";
  /** Each as `set/migration`. */
  readonly unknown: readonly string[];
  constructor(unknown: readonly string[]) {
    super(`Cannot use the database: a newer version has applied ${unknown.join(", ")}; start that version`);
    this.unknown = unknown;
  }
}

/**
 * Throws {@linkcode SchemaBehindError} or {@linkcode SchemaAheadError} unless the schema is the one that this program
 * was written for. Ignores sets that are not in `sets`.
 */
export async function requireMigrated(query: Query, sets: readonly TableSet[]): Promise<void> {
  const rows = await query("select list from unnest($1::text[]) as list where to_regclass(list) is not null", [
    sets.map(listOf),
  ]);
  const lists = new Set(rows.map(({ list }) => list));
  const { missing, unknown } = await compareMigrations(
    query,
    sets,
    sets.filter((set) => lists.has(listOf(set))),
  );
  if (missing.length > 0) throw new SchemaBehindError(missing);
  if (unknown.length > 0) throw new SchemaAheadError(unknown);
}
