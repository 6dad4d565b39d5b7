import type { EntityManager, MikroORM } from "@mikro-orm/postgresql";

/** MikroORM with the tables of all sets. */
export type Orm = MikroORM<EntityManager>;

/**
 * The first parameter of every function over the database: an entity manager inside its open transaction, with an
 * identity map of its own. It knows the entities of all sets of tables that the database was opened with.
 *
 * The code that opened it commits it. Functions that take it never commit it, and open no other. Kysely is typed by its
 * tables, as in `transaction.getKysely<TablesOf<typeof entities>>()`.
 */
export type Transaction = EntityManager;
