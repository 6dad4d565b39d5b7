import type { EntityManager, MikroORM } from "@mikro-orm/postgresql";
import type { entities } from "../entities/all.ts";

/** MikroORM with Muster's tables. */
export type Orm = MikroORM<EntityManager, typeof entities>;

/**
 * What every function of this library takes first: an entity manager inside its open transaction, with an identity map
 * of its own.
 *
 * Whoever opened it commits it. Functions that take it never do, nor open another.
 */
export type Transaction = Orm["em"];
