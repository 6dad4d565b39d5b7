import { MIGRATION_TABLE, migrations } from "./migration_list.ts";
import { SchemaBehindError } from "./require_migrated.ts";

/** Tables are missing, or this login may not use them, although the migrations that make them were applied. */
export class SchemaDamagedError extends Error {
  override readonly name = "SchemaDamagedError";
  readonly missing: readonly string[];
  readonly forbidden: readonly string[];
  constructor({ missing, forbidden }: { missing: readonly string[]; forbidden: readonly string[] }) {
    const texts = [
      missing.length === 0
        ? ""
        : `table ${missing.join(", ")} is missing although its migration was applied; restore the database from a backup, or drop what is left of it with ${MIGRATION_TABLE} and run \`muster migrate\``,
      forbidden.length === 0
        ? ""
        : `the right to ${forbidden.join(", ")} is missing; grant it, or use the login that ran \`muster migrate\``,
    ];
    super(`Cannot use the database: ${texts.filter((text) => text !== "").join("; ")}`);
    this.missing = missing;
    this.forbidden = forbidden;
  }
}

/** What tasks do with each table. One that is only read may still be all of an operator's. */
const RIGHTS: Readonly<Record<string, readonly string[]>> = {
  task_outcome: ["select", "insert", "update"],
  lock_fence: ["select", "insert", "update"],
  pilot: ["select", "insert", "update"],
  pilot_request: ["select", "insert", "delete"],
  compute_element: ["select"],
  [MIGRATION_TABLE]: ["select"],
};
const PAIRS = Object.entries(RIGHTS).flatMap(([table, rights]) => rights.map((right) => ({ table, right })));
/** Asks one question and returns the rows. */
export type Query = (text: string, values: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>;

// A right on single columns serves as well; there is none of that kind to delete.
const LACKS = `
select wanted."table", wanted."right", to_regclass(wanted."table") is null as missing
from jsonb_to_recordset($1::jsonb) as wanted("table" text, "right" text)
where case
  when to_regclass(wanted."table") is null then true
  when wanted."right" = 'delete' then not has_table_privilege(to_regclass(wanted."table"), 'delete')
  else not has_any_column_privilege(to_regclass(wanted."table"), wanted."right")
end`;

async function missingMigrations(query: Query): Promise<readonly string[]> {
  const applied = new Set((await query(`select name from ${MIGRATION_TABLE}`, [])).map(({ name }) => name));
  return migrations.map(({ name }) => name).filter((name) => !applied.has(name));
}

/**
 * Looks whether all tables are there and may be used, as a probe may every few seconds: two small questions. Returns what is wrong.
 *
 * A schema that a newer version has migrated is well: during an upgrade older processes go on.
 */
export async function inspectSchema(query: Query): Promise<SchemaBehindError | SchemaDamagedError | undefined> {
  const lacks = await query(LACKS, [JSON.stringify(PAIRS)]);
  const missing = new Set(lacks.filter((row) => row["missing"] === true).map(({ table }) => String(table)));
  const forbidden = lacks.filter((row) => row["missing"] !== true).map(({ table, right }) => `${right} on ${table}`);
  if (missing.has(MIGRATION_TABLE)) return new SchemaBehindError(migrations.map(({ name }) => name));
  if (!forbidden.includes(`select on ${MIGRATION_TABLE}`)) {
    const behind = await missingMigrations(query);
    if (behind.length > 0) return new SchemaBehindError(behind);
  }
  return lacks.length === 0 ? undefined : new SchemaDamagedError({ missing: [...missing], forbidden });
}
