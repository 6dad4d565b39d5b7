import { Kysely } from "kysely";
import { type OneConnection, oneConnection } from "./one_connection.ts";
import type { Orm, Transaction } from "./transaction.ts";

/** Begins a transaction on one connection and returns an entity manager inside it. */
export async function beginOn(orm: Orm, connection: OneConnection): Promise<Transaction> {
  const kysely = new Kysely<unknown>({ dialect: oneConnection(connection) });
  const begun = await kysely.startTransaction().execute();
  // A fork has an empty identity map. So nothing that was read before the fence can be mistaken for the present state.
  const transaction = orm.em.fork();
  transaction.setTransactionContext(begun);
  return transaction;
}
