// Tested by libs/ledger/src/ledger/ledger_transaction_test.ts
// Tested by tests/src/access/lasting_test.ts
import { type Pool, types } from "pg";
import { askOnce, type ServerAddress } from "./ask_once.ts";
import { connectFailure } from "./failures.ts";
import { beginOn } from "./begin_on.ts";
import { ownLimitOf } from "./server_version.ts";
import { Session } from "./session.ts";
import type { DatabaseTracing } from "./tracing.ts";
import type { Orm, Transaction } from "./transaction.ts";

/** Longest wait until the server has ended one of its processes, ms. */
const END_BACKEND_MS = 4_000;

export interface ConnectionsOptions {
  readonly orm: Orm;
  /** The pool behind `orm`. */
  readonly pool: Pool;
  /** Where the pool's connections lead. */
  readonly address: ServerAddress;
  readonly note: (message: string, cause: unknown) => void;
  readonly tracing?: DatabaseTracing | undefined;
}

/**
 * Hands out the connections of a pool, one for each transaction, in the order of the calls.
 *
 * Callers wait in a line of this class and not in the pool, because the pool has one timeout for two waits. The wait
 * for the server is short. The wait for a free connection lasts as long as other tasks do, and is no sign of trouble.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  /** Sessions that hold a connection. `open` adds one, its release removes it, `destroyOpen` reads them. */
  readonly #open = new Set<Session>();
  /** Callers that wait for a connection, oldest first. `#turn` adds one, `#leave` lets it go on. */
  readonly #line: (() => void)[] = [];
  /** Number of connections that no session holds. `#turn` lowers it. `#leave` raises it when nobody waits. */
  #free: number;

  constructor(options: ConnectionsOptions) {
    const { pool, note } = options;
    this.#options = options;
    this.#free = pool.options.max;
    pool.on("connect", (client) => {
      // Ids, counts and fencing tokens stay below 2^53, so a number holds them. An instant is a Date, as the entities
      // say, also where Kysely reads it.
      client.setTypeParser(types.builtins.INT8, Number);
      client.setTypeParser(types.builtins.TIMESTAMPTZ, types.getTypeParser(types.builtins.TIMESTAMPTZ));
    });
    // Without a listener, a connection that is lost while idle would end the process. The pool has dropped it already,
    // and makes a new one when it needs one.
    pool.on("error", (error) => note("An idle connection to the database was lost", error));
  }

  /** Returns a session as soon as a connection is free. Throws `DatabaseGoneError` and `DatabaseTooOldError`. */
  async open(): Promise<Session> {
    const { pool, address, note, tracing } = this.#options;
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
        tracing,
      });
      this.#open.add(session);
      return session;
    } catch (cause) {
      this.#leave();
      throw connectFailure(cause, address);
    }
  }

  /** Begins a transaction on `session` and returns an entity manager inside it. */
  async begin(session: Session): Promise<Transaction> {
    return await beginOn(this.#options.orm, session);
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
