import type { Migration } from "@mikro-orm/migrations";
import type { EntitySchema, InferKyselyDB } from "@mikro-orm/postgresql";

/** A right that an app needs on a table. */
export type TableRight = "select" | "insert" | "update" | "delete";

/** An index on a table that may be full when its migration comes. */
export interface LargeIndex {
  readonly name: string;
  readonly table: string;
  /** What stands behind the table in CREATE INDEX. It names columns that the table has had from the start. */
  readonly of: string;
}

/** A migration with its name in the list of applied ones. */
export interface NamedMigration {
  readonly name: string;
  /**
   * Indexes that this migration brings. Where their table is there they are made before the migrations' transaction, so that nobody waits for them.
   * Default: none.
   */
  readonly indexes?: readonly LargeIndex[];
  readonly class: new (...args: ConstructorParameters<typeof Migration>) => Migration;
}

/**
 * The tables that one package brings to the database, with the migrations that make them.
 *
 * Several sets are in one database. Each has its own list of applied migrations, so none knows of the others.
 */
export interface TableSet {
  /** Names its list of applied migrations. Up to 40 lower-case letters, digits and `_`; never changes. */
  readonly name: string;
  readonly entities: readonly EntitySchema[];
  /** Every migration, oldest first. A name that has been applied anywhere never changes. */
  readonly migrations: readonly NamedMigration[];
  /** What apps do with each table. Default: they only read the table of each entity. */
  readonly rights?: Readonly<Record<string, readonly TableRight[]>>;
  /**
   * Texts of the statements that run in nearly each task. Each connection has one read once, and keeps its plan. Name the columns of a result
   * one by one: a plan whose result gets other columns, as that of `select *`, costs its connection.
   */
  readonly frequent?: readonly string[];
  /** The migrations that the list before there were sets, `muster_migration`, may name. Only for tables that are older than the lists of sets. */
  readonly inFormerList?: readonly string[];
}

/** The tables of these entities, as Kysely knows them: `transaction.getKysely<TablesOf<typeof entities>>()`. */
export type TablesOf<Entities extends readonly EntitySchema[]> = InferKyselyDB<
  Extract<Entities[number], { name: string }>
>;

/** The one list of all migrations, from before each set had its own. */
export const FORMER_LIST = "muster_migration";

/** Name of the table that lists a set's applied migrations. */
export function listOf({ name }: Pick<TableSet, "name">): string {
  return `${FORMER_LIST}_${name}`;
}

/** Full name of a migration for operators and errors, as in `ledger/0001_tables`. */
export function fullName({ name }: Pick<TableSet, "name">, migration: string): string {
  return `${name}/${migration}`;
}

/** The rights that apps need, by table. */
export function rightsOf({ entities, rights }: TableSet): Readonly<Record<string, readonly TableRight[]>> {
  return rights ?? Object.fromEntries(entities.map(({ meta }) => [meta.tableName, ["select"]]));
}

function refuseTwice(what: string, names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new TypeError(`Cannot use two ${what} "${twice}" in one database; rename one of them`);
}

/** Throws `TypeError` for sets that cannot be in one database. */
export function checkSets(sets: readonly TableSet[]): void {
  for (const { name, migrations } of sets) {
    if (!/^[a-z][a-z0-9_]{0,39}$/.test(name)) {
      const rule = "it begins with a lower-case letter and holds these, digits and _, 40 at most";
      throw new TypeError(`Cannot use ${JSON.stringify(name)} as the name of a set of tables; ${rule}`);
    }
    refuseTwice(
      `migrations of set ${name}, both named`,
      migrations.map((migration) => migration.name),
    );
  }
  refuseTwice(
    "sets of tables named",
    sets.map(({ name }) => name),
  );
  refuseTwice(
    "tables named",
    sets.flatMap(({ entities }) => entities.map(({ meta }) => meta.tableName)),
  );
}
