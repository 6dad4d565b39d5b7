// Tested by libs/ledger/src/ledger/ledger_transaction_test.ts
// Tested by libs/ledger/src/database/time_limits_test.ts
import { Client, type PoolClient, type QueryResult, type QueryResultRow } from "pg";
import type { OwnLimit } from "./server_version.ts";
import { DatabaseGoneError, meansGone, sqlStateOf, TransactionFailedError } from "./failures.ts";

/** What a session needs of the pool that it came from. */
export interface SessionOrigin {
  /** What the session sees to since the server does not; undefined where it does. */
  readonly limit: OwnLimit | undefined;
  /** Ends the server's side of connection `pid` by another connection. Throws when that cannot be reached. */
  endBackend(pid: number): Promise<void>;
  /** Called once, when the session has given its connection back. */
  released(): void;
  note(message: string, cause: unknown): void;
}

const IN_FAILED_TRANSACTION = "25P02";
/** How long BEGIN and ROLLBACK may take, ms: they wait for nothing, so a longer silence is a cut link. */
const PROMPT_MS = 10_000;
/** PostgreSQL's code for a statement that was ended, here by its timeout. */
const STATEMENT_ENDED = "57014";
/** The part of a transaction's limit after which the time that is left is told to the server anew. */
const TELL_AFTER = 0.1;

/**
 * One connection, checked out of its pool, for one transaction or one statement.
 *
 * States: checked out -> (begun ->) released. Lost may come at any time; then each query throws {@linkcode
 * DatabaseGoneError}, and the release closes the connection in place of giving it back.
 */
export class Session {
  readonly #client: PoolClient;
  readonly #origin: SessionOrigin;
  /** The last statement that was asked for: the next one waits for it, since pg 9 will not queue them. */
  #last: Promise<unknown> = Promise.resolve();
  /** Statements that somebody waits for. */
  #running = 0;
  #inTransaction = false;
  /** When the transaction began, and when the server last heard how long a statement may take. */
  #beganAt = 0;
  #toldAt = 0;
  #lost: DatabaseGoneError | undefined;
  /** The first error that a statement met: in a transaction every later one fails because of it. */
  #firstError: unknown;
  /** From the first step of the end on nobody else's statement is let in: it would run on after the transaction. */
  #ending = false;
  #released = false;

  constructor(client: PoolClient, origin: SessionOrigin) {
    this.#client = client;
    this.#origin = origin;
    client.on("error", this.#onError);
  }

  /** pg tells it before it fails the statements under way, so that whoever sees those fail finds it noted. */
  readonly #onError = (error: Error): void => {
    this.#lose(error);
  };

  /** Why nothing more can be asked of this connection; undefined while all is well. */
  get lost(): DatabaseGoneError | undefined {
    return this.#lost;
  }

  /** The first error that a statement met; undefined: none did. */
  get firstError(): unknown {
    return this.#firstError;
  }

  /**
   * Runs a statement after those asked for before it. Throws what the server reports, and {@linkcode
   * DatabaseGoneError}.
   *
   * After `limitMs` without an answer the connection counts as lost; default: no limit.
   */
  async query<Row extends QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
    limitMs?: number,
  ): Promise<QueryResult<Row>> {
    if (this.#ending) {
      throw new Error("Cannot run a statement: its transaction has ended; await everything before it does");
    }
    this.#running++;
    try {
      return await this.#enqueue<Row>(text, values, limitMs);
    } finally {
      this.#running--;
    }
  }

  #enqueue<Row extends QueryResultRow>(
    text: string,
    values: readonly unknown[],
    limitMs?: number,
  ): Promise<QueryResult<Row>> {
    const answer = this.#last.then(() => this.#run<Row>(text, values, limitMs));
    this.#last = answer.catch(() => undefined); // it fails whoever asked for it, and must not fail the next one
    return answer;
  }

  async #run<Row extends QueryResultRow>(
    text: string,
    values: readonly unknown[],
    limitMs: number | undefined,
  ): Promise<QueryResult<Row>> {
    if (this.#lost !== undefined) throw this.#lost;
    // pg takes a timeout for a single statement, though its types do not say so.
    const timeout = limitMs === undefined ? {} : { query_timeout: limitMs };
    const askedAt = performance.now();
    try {
      await this.#keepToLimit();
      return await this.#client.query<Row>({ text, values: [...values], ...timeout });
    } catch (error) {
      const timedOut = limitMs !== undefined && sqlStateOf(error) === undefined;
      if (meansGone(error) || timedOut || this.#isOverTime(error, askedAt)) this.#lose(error);
      if (this.#lost !== undefined) throw this.#lost;
      if (sqlStateOf(error) === IN_FAILED_TRANSACTION) throw new TransactionFailedError(this.#firstError);
      this.#firstError ??= error;
      throw error;
    }
  }

  /**
   * Comes before each statement where the server does not end long transactions by itself. None begins after the limit. One that begins
   * before it is ended by the server when it takes longer than what was left, give or take a tenth of the limit. So the bound holds for a
   * process too that is frozen: its statement ends, and then the server's idle clock runs.
   */
  async #keepToLimit(): Promise<void> {
    const { limit } = this.#origin;
    if (limit === undefined || !this.#inTransaction) return;
    const { transactionMs, statementMs } = limit;
    const now = performance.now();
    const leftMs = Math.ceil(this.#beganAt + transactionMs - now);
    if (leftMs <= 0) {
      const over = new Error(`its transaction has lasted ${transactionMs} ms, the longest that any may`);
      this.#lose(over);
      throw over;
    }
    if (now - this.#toldAt < transactionMs * TELL_AFTER || this.#firstError !== undefined) return;
    this.#toldAt = now;
    if (statementMs > 0 && statementMs < leftMs) return;
    await this.#client.query(`set local statement_timeout = ${leftMs}`);
  }

  /** Whether a statement was ended since its time, or its transaction's, is over. A task's own shorter timeout is the task's failure. */
  #isOverTime(error: unknown, askedAt: number): boolean {
    const { limit } = this.#origin;
    if (limit === undefined || sqlStateOf(error) !== STATEMENT_ENDED) return false;
    // The server's clock may be a little ahead of ours.
    return performance.now() - (this.#inTransaction ? this.#beganAt : askedAt) >= limit.transactionMs * 0.99;
  }

  #lose(cause: unknown): void {
    this.#lost ??= new DatabaseGoneError("use the database", cause);
  }

  /**
   * The isolation is named, whatever the server's default: every protocol here counts on statements that see what is
   * committed by now.
   */
  async begin(): Promise<void> {
    await this.query("start transaction isolation level read committed", [], PROMPT_MS);
    this.#inTransaction = true;
    this.#beganAt = this.#toldAt = performance.now();
  }

  /**
   * Throws what the server reports, e.g. a deferred constraint; it has rolled back then. Gives the connection back in
   * any case.
   */
  async commit(): Promise<void> {
    this.#ending = true;
    try {
      const { command } = await this.#enqueue("commit", []);
      // A transaction in which a statement has failed answers COMMIT with ROLLBACK, and no error.
      if (command !== "COMMIT") throw new TransactionFailedError(this.#firstError);
    } finally {
      this.release();
    }
  }

  /**
   * Rolls back if anything was begun and gives the connection back. A statement that still runs is ended with its
   * connection, since nobody waits for it any more. Never throws: what cannot be rolled back is closed, which does the
   * same.
   */
  async rollback(): Promise<void> {
    if (this.#released) return;
    this.#ending = true;
    if (this.#running > 0) return this.destroy();
    // A failure has been noted as the loss of the connection.
    if (this.#inTransaction) {
      await this.#enqueue("rollback", [], PROMPT_MS).catch((error: unknown) => this.#lose(error));
    }
    this.release();
  }

  /**
   * Resets the server's idle clock. Asks nothing while a statement runs, outside a transaction, or after the end. Never
   * throws.
   */
  async keepAwake(): Promise<void> {
    if (!this.#inTransaction || this.#running > 0 || this.#ending || this.#lost !== undefined) return;
    // A loss is noted by the session; in a transaction that has failed even the refusal resets the clock.
    await this.#enqueue("select 1", [], PROMPT_MS).catch(() => undefined);
  }

  /**
   * Ends the transaction whatever runs in it. Settles when the server's side has ended; where the server cannot be
   * asked, when no COMMIT can be sent any more. Never throws.
   */
  async destroy(): Promise<void> {
    if (this.#released) return;
    this.#ending = true;
    const pid = "processID" in this.#client ? this.#client.processID : undefined;
    // A lost connection's number may be another's by now.
    if (this.#lost === undefined && typeof pid === "number") {
      try {
        await this.#origin.endBackend(pid);
      } catch (cause) {
        this.#origin.note(`Cannot end connection ${pid} on the server; its socket is closed`, cause);
      }
    }
    this.#lose(new Error("it was destroyed"));
    this.release();
  }

  /** Gives the connection back, or closes it if it was lost. */
  release(): void {
    if (this.#released) return;
    this.#ending = true;
    this.#released = true;
    this.#inTransaction = false;
    this.#client.off("error", this.#onError);
    // Saying goodbye on a cut link would wait for an answer.
    if (this.#lost !== undefined && this.#client instanceof Client) this.#client.connection.stream.destroy();
    this.#client.release(this.#lost);
    this.#origin.released();
  }
}
