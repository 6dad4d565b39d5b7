import { sqlStateOf } from "../database/failures.ts";
import { compareMigrations, type Query } from "./applied.ts";
import { SchemaBehindError } from "./require_migrated.ts";
import { FORMER_LIST, listOf, rightsOf, type TableSet } from "./table_set.ts";

/** Tables are missing, or this login may not use them, although the migrations that make them were applied. */
export class SchemaDamagedError extends Error {
  override readonly name = "SchemaDamagedError";
  readonly missing: readonly string[];
  readonly forbidden: readonly string[];
  constructor({ missing, forbidden }: { missing: readonly string[]; forbidden: readonly string[] }) {
    const texts = [
      missing.length === 0
        ? ""
        : `table ${missing.join(", ")} is missing although its migration was applied; restore the database from a backup, or drop what is left of it with all tables ${FORMER_LIST}* and run \`muster migrate\``,
      forbidden.length === 0
        ? ""
        : `the right to ${forbidden.join(", ")} is missing; grant it, or use the login that ran \`muster migrate\``,
    ];
    super(`Cannot use the database: ${texts.filter((text) => text !== "").join("; ")}`);
    this.missing = missing;
    this.forbidden = forbidden;
  }
}

/** The server refuses writes, so nothing can be recorded. */
export class DatabaseReadOnlyError extends Error {
  override readonly name = "DatabaseReadOnlyError";
  constructor() {
    super(
      "Cannot use the database: it is read-only; point DATABASE_URL at the primary server, or end what makes it read-only (a standby, or default_transaction_read_only)",
    );
  }
}

// A right on single columns is enough. DELETE has no right on columns.
const LACKS = `
select wanted."table", wanted."right", to_regclass(wanted."table") is null as missing
from jsonb_to_recordset($1::jsonb) as wanted("table" text, "right" text)
where case
  when to_regclass(wanted."table") is null then true
  when wanted."right" = 'delete' then not has_table_privilege(to_regclass(wanted."table"), 'delete')
  else not has_any_column_privilege(to_regclass(wanted."table"), wanted."right")
end`;

/** Each right that apps need on each table of `sets`. */
function wantedBy(sets: readonly TableSet[]): readonly { readonly table: string; readonly right: string }[] {
  return sets.flatMap((set) => [
    ...Object.entries(rightsOf(set)).flatMap(([table, rights]) => rights.map((right) => ({ table, right }))),
    { table: listOf(set), right: "select" },
  ]);
}

/** PostgreSQL's code for a table that does not exist. */
const UNDEFINED_TABLE = "42P01";

type SchemaProblem = DatabaseReadOnlyError | SchemaBehindError | SchemaDamagedError;

/**
 * Checks that the tables of all sets exist and may be used. Returns what is wrong. It asks three small questions, so a
 * probe may call it every few seconds.
 *
 * A schema that a newer version has migrated is fine: during an upgrade older processes go on.
 */
export async function inspectSchema(query: Query, sets: readonly TableSet[]): Promise<SchemaProblem | undefined> {
  try {
    return await inspectOnce(query, sets);
  } catch (error) {
    if (sqlStateOf(error) !== UNDEFINED_TABLE) throw error;
    // A list was dropped between two of the questions. The second look finds it missing.
    return await inspectOnce(query, sets);
  }
}

async function inspectOnce(query: Query, sets: readonly TableSet[]): Promise<SchemaProblem | undefined> {
  const [settings] = await query("select current_setting('transaction_read_only') as \"readOnly\"", []);
  if (settings?.["readOnly"] === "on") return new DatabaseReadOnlyError();
  const lacks = await query(LACKS, [JSON.stringify(wantedBy(sets))]);
  const missing = new Set(lacks.filter((row) => row["missing"] === true).map(({ table }) => String(table)));
  const forbidden = lacks.filter((row) => row["missing"] !== true).map(({ table, right }) => `${right} on ${table}`);
  // A list without the right to read it does not show which migrations are missing.
  const asked = sets.filter((set) => !forbidden.includes(`select on ${listOf(set)}`));
  const listed = asked.filter((set) => !missing.has(listOf(set)));
  const behind = (await compareMigrations(query, asked, listed)).missing;
  if (behind.length > 0) return new SchemaBehindError(behind);
  return lacks.length === 0 ? undefined : new SchemaDamagedError({ missing: [...missing], forbidden });
}
