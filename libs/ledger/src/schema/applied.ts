import { fullName, listOf, type TableSet } from "./table_set.ts";

/** Asks one question and returns the rows. */
export type Query = (text: string, values: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>;

/** Reads the lists of these sets, by the name of the set. One question. The lists must exist. */
async function readLists(query: Query, sets: readonly TableSet[]): Promise<ReadonlyMap<string, readonly string[]>> {
  if (sets.length === 0) return new Map();
  const parts = sets.map((set) => `select id, '${set.name}' as "set", name from ${listOf(set)}`);
  const rows = await query(`${parts.join(" union all ")} order by id`, []);
  const names = Map.groupBy(rows, (row) => String(row["set"]));
  return new Map([...names].map(([set, applied]) => [set, applied.map(({ name }) => String(name))]));
}

/** The differences between the lists of applied migrations and this program, as full names. */
export interface Difference {
  /** Migrations that this program needs and that were not applied. */
  readonly missing: readonly string[];
  /** Migrations that were applied and that this program does not know. */
  readonly unknown: readonly string[];
}

/** Compares `sets` with the lists in the database. `listed` are those of `sets` that have a list. */
export async function compareMigrations(
  query: Query,
  sets: readonly TableSet[],
  listed: readonly TableSet[],
): Promise<Difference> {
  const lists = await readLists(query, listed);
  const differences = sets.map((set) => {
    const known = set.migrations.map(({ name }) => name);
    const applied = lists.get(set.name) ?? [];
    return {
      missing: known.filter((name) => !applied.includes(name)).map((name) => fullName(set, name)),
      unknown: applied.filter((name) => !known.includes(name)).map((name) => fullName(set, name)),
    };
  });
  return {
    missing: differences.flatMap(({ missing }) => missing),
    unknown: differences.flatMap(({ unknown }) => unknown),
  };
}
