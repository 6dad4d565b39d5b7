import { sql } from "kysely";
import type { Transaction } from "../database/transaction.ts";
import { MIGRATION_TABLE, migrations } from "./migration_list.ts";

/** The database lacks migrations that this program needs. */
export class SchemaBehindError extends Error {
  override readonly name = "SchemaBehindError";
  readonly missing: readonly string[];
  constructor(missing: readonly string[]) {
    super(`Cannot use the database: its schema lacks ${missing.join(", ")}; run \`muster migrate\``);
    this.missing = missing;
  }
}

/** The database was migrated by a newer version than this program. */
export class SchemaAheadError extends Error {
  override readonly name = "SchemaAheadError";
  readonly unknown: readonly string[];
  constructor(unknown: readonly string[]) {
    super(`Cannot use the database: a newer version has applied ${unknown.join(", ")}; start that version`);
    this.unknown = unknown;
  }
}

async function appliedMigrations(transaction: Transaction): Promise<readonly string[]> {
  const db = transaction.getKysely();
  const table = await sql<{ exists: boolean }>`select to_regclass(${MIGRATION_TABLE}) is not null as exists`.execute(
    db,
  );
  if (table.rows[0]?.exists !== true) return [];
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(MIGRATION_TABLE)} order by id`.execute(db);
  return rows.map(({ name }) => name);
}

/**
 * Throws {@linkcode SchemaBehindError} or {@linkcode SchemaAheadError} unless the schema is the one that this program
 * was written for.
 */
export async function requireMigrated(transaction: Transaction): Promise<void> {
  const applied = await appliedMigrations(transaction);
  const known: readonly string[] = migrations.map(({ name }) => name);
  const missing = known.filter((name) => !applied.includes(name));
  if (missing.length > 0) throw new SchemaBehindError(missing);
  const unknown = applied.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new SchemaAheadError(unknown);
}
