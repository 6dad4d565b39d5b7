import type { EntityManager, MikroORM } from "@mikro-orm/postgresql";

/** MikroORM with the tables of all sets. */
export type Orm = MikroORM<EntityManager>;

/**
 * What every function over the database takes first: an entity manager inside its open transaction, with an identity map
 * of its own. It knows the entities of all sets of tables that the database was opened with.
 *
 * Whoever opened it commits it. Functions that take it never do, nor open another. Kysely is typed by its tables, as in
 * `transaction.getKysely<TablesOf<typeof entities>>()`.
 */
export type Transaction = EntityManager;
