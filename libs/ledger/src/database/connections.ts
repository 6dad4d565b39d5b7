// Tested by libs/ledger/src/ledger/ledger_transaction_test.ts
// Tested by tests/src/access/lasting_test.ts
import { Kysely } from "kysely";
import { type Pool, types } from "pg";
import { askOnce, type ServerAddress } from "./ask_once.ts";
import { connectFailure } from "./failures.ts";
import { oneConnection } from "./one_connection.ts";
import { ownLimitOf } from "./server_version.ts";
import { Session } from "./session.ts";
import type { Orm, Transaction } from "./transaction.ts";

/** How long the server may take to end one of its processes, ms. */
const END_BACKEND_MS = 4_000;

export interface ConnectionsOptions {
  readonly orm: Orm;
  /** The pool behind `orm`. */
  readonly pool: Pool;
  /** Where the pool's connections lead. */
  readonly address: ServerAddress;
  readonly note: (message: string, cause: unknown) => void;
}

/**
 * Hands out the connections of a pool, one to each transaction, in the order of asking.
 *
 * The line stands before the pool because the pool has one timeout for two waits: that for the server, which is short,
 * and that for a connection to come free, which lasts as long as other tasks do and is no sign of trouble.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #open = new Set<Session>();
  readonly #line: (() => void)[] = [];
  #free: number;

  constructor(options: ConnectionsOptions) {
    const { pool, note } = options;
    this.#options = options;
    this.#free = pool.options.max;
    pool.on("connect", (client) => {
      // Ids, counts and fencing tokens stay below 2^53. An instant is a Date, as the entities say, also where Kysely
      // reads it.
      client.setTypeParser(types.builtins.INT8, Number);
      client.setTypeParser(types.builtins.TIMESTAMPTZ, types.getTypeParser(types.builtins.TIMESTAMPTZ));
    });
    // Without a listener a connection that dies idle would end the process. The pool has dropped it and makes another
    // when one is needed.
    pool.on("error", (error) => note("An idle connection to the database was lost", error));
  }

  /** A connection, when one is free. Throws `DatabaseGoneError` and `DatabaseTooOldError`. */
  async open(): Promise<Session> {
    const { pool, address, note } = this.#options;
    await this.#turn();
    try {
      const client = await pool.connect();
      const session = new Session(client, {
        limit: ownLimitOf(client),
        async endBackend(pid) {
          await askOnce(address, "select pg_terminate_backend($1, $2)", [pid, END_BACKEND_MS]);
        },
        released: () => {
          this.#open.delete(session);
          this.#leave();
        },
        note,
      });
      this.#open.add(session);
      return session;
    } catch (cause) {
      this.#leave();
      throw connectFailure(cause, address);
    }
  }

  /** Begins a transaction on `session` and answers an entity manager inside it. */
  async begin(session: Session): Promise<Transaction> {
    const kysely = new Kysely<unknown>({ dialect: oneConnection(session) });
    const begun = await kysely.startTransaction().execute();
    // A fork has an empty identity map: nothing that was read before the fence can be taken for what is there now.
    const transaction = this.#options.orm.em.fork();
    transaction.setTransactionContext(begun);
    return transaction;
  }

  /** Runs `ask` on a connection of its own, without a transaction. */
  async use<Answer>(ask: (session: Session) => Promise<Answer>): Promise<Answer> {
    const session = await this.open();
    try {
      return await ask(session);
    } finally {
      session.release();
    }
  }

  /** Destroys what is still open. */
  async destroyOpen(): Promise<void> {
    await Promise.all([...this.#open].map((session) => session.destroy()));
  }

  async #turn(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve) => {
      this.#line.push(resolve);
    });
  }

  #leave(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
