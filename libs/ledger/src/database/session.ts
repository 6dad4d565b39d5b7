// Tested by libs/ledger/src/ledger/ledger_transaction_test.ts
// Tested by libs/ledger/src/database/time_limits_test.ts
import { Client, type PoolClient, type QueryConfig, type QueryResult, type QueryResultRow } from "pg";
import { setTimeout as pause } from "node:timers/promises";
import type { OwnLimit } from "./server_version.ts";
import type { Statement } from "./statement.ts";
import { IN_FAILED_TRANSACTION, StatementGroup } from "./statement_group.ts";
import type { DatabaseTracing, TransactionSpan } from "./tracing.ts";
import { DatabaseGoneError, meansGone, sqlStateOf, TransactionFailedError } from "./failures.ts";
import { frequent, nameOf } from "./frequent_statements.ts";

/** What a session needs of the pool that it came from. */
export interface SessionOrigin {
  /** The limits that the session enforces itself; undefined where the server enforces them. */
  readonly limit: OwnLimit | undefined;
  /** Ends the server's side of connection `pid` by another connection. Throws when that cannot be reached. */
  endBackend(pid: number): Promise<void>;
  /** Called once, when the session has given its connection back. */
  released(): void;
  /** Makes the spans of statements; undefined: there are none. */
  readonly tracing: DatabaseTracing | undefined;
  note(message: string, cause: unknown): void;
}

interface Asked {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly limitMs: number | undefined;
}

const COMMIT = frequent("commit");
/** Longest wait for BEGIN and ROLLBACK, ms. They wait for nothing, so a longer silence means a cut link. */
const PROMPT_MS = 10_000;
/** PostgreSQL's code for a cancelled statement, here by its timeout. */
const STATEMENT_ENDED = "57014";
/** PostgreSQL's code for a kept plan whose result has another form by now, since a migration has changed its tables. */
const PLAN_OUTDATED = "0A000";
/** Longest wait, before a rollback, for answers to what was sent ahead, ms. A fence may wait for another writer for longer. */
const AHEAD_MS = 1_000;
/** Share of a transaction's limit after which the server is told again how much time is left. */
const TELL_AFTER = 0.1;

/**
 * One connection, checked out of its pool, for one transaction or one statement.
 *
 * States: checked out -> (begun ->) released. The connection may be lost at any time. Then each query throws
 * {@linkcode DatabaseGoneError}, and the release closes the connection instead of giving it back.
 *
 * Only this class writes its fields.
 */
export class Session {
  readonly #client: PoolClient;
  readonly #origin: SessionOrigin;
  /** Settles when the next statement may be sent: when the last one is answered, or is on its way where it was sent ahead. */
  #last: Promise<unknown> = Promise.resolve();
  /** Settles with what was sent ahead; a statement's answer counts for nothing before that. Undefined: nothing is in doubt. */
  #ahead: Promise<unknown> | undefined;
  /** Number of the caller's statements that wait or run. `query` writes it; `rollback` and `keepAwake` read it. */
  #running = 0;
  /** `begin` sets it; the release clears it. */
  #inTransaction = false;
  /** When the transaction began, ms of this process's clock. `begin` writes it. */
  #beganAt = 0;
  /** When the server last heard how long a statement may take. `begin` and `#keepToLimit` write it. */
  #toldAt = 0;
  /** Why the connection counts as lost. `#lose` writes it once. */
  #lost: DatabaseGoneError | undefined;
  /** The first error of a statement. In a transaction every later statement fails because of it. */
  #firstError: unknown;
  /**
   * True from the first step of the end on. No caller's statement may start then: it would run after the transaction.
   */
  #ending = false;
  #released = false;
  /** The span of the transaction. `begin` sets it, and the release ends it. Undefined: none is open, or traces are off. */
  #span: TransactionSpan | undefined;
  /** Whether what is sent waits for what the same turn of the event loop still has to send. Only `#gather` writes it. */
  #isGathering = false;
  /** The statements that this turn has to send so far. `#run` fills it and `#sendGroup` empties it. */
  #group: StatementGroup | undefined;

  constructor(client: PoolClient, origin: SessionOrigin) {
    this.#client = client;
    this.#origin = origin;
    client.on("error", this.#onError);
  }

  /** pg calls it before it fails the running statements, so their callers find the loss noted. */
  readonly #onError = (error: Error): void => {
    this.#lose(error);
  };

  /** Why this connection cannot be used any more; undefined while it can. */
  get lost(): DatabaseGoneError | undefined {
    return this.#lost;
  }

  /** The first error of a statement; undefined if none failed. */
  get firstError(): unknown {
    return this.#firstError;
  }

  /**
   * Runs a statement after those that were asked for before it. Throws what the server reports, and
   * {@linkcode DatabaseGoneError}.
   *
   * After `limitMs` without an answer the connection counts as lost. Default: no limit.
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
      const answer = this.#enqueue<Row>(text, values, limitMs);
      if (this.#ahead === undefined) return await answer;
      answer.catch(() => undefined); // where both fail, the earlier one says why
      await this.#ahead;
      return await answer;
    } finally {
      this.#running--;
    }
  }

  /**
   * Sends a statement after those that were asked for before it. The next one is sent without waiting for the answer: both take one round trip.
   *
   * `confirm` says what of its answer the transaction rests on. Where it throws, each later statement of the transaction throws the same.
   */
  sendAhead<Row extends QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
    limitMs?: number,
  ): Promise<QueryResult<Row>> {
    const sent = Promise.withResolvers<void>();
    const answer = this.#last.then(() => this.#run<Row>({ text, values, limitMs }, sent.resolve));
    this.#last = Promise.race([sent.promise, answer.catch(() => undefined)]);
    return answer;
  }

  /** Lets no statement's answer count before `answer` is there. Where that throws, each later statement throws the same. */
  restOn(answer: Promise<unknown>): void {
    const earlier = this.#ahead;
    const both = earlier === undefined ? answer : earlier.then(() => answer);
    both.then(
      () => {
        if (this.#ahead === both) this.#ahead = undefined;
      },
      () => undefined, // the next statement throws it
    );
    answer.catch(() => undefined);
    this.#ahead = both;
  }

  /** Resolves when all that was sent ahead is confirmed. Throws what {@linkcode restOn} was given. */
  async confirmed(): Promise<void> {
    await this.#ahead;
  }

  #enqueue<Row extends QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
    limitMs?: number,
  ): Promise<QueryResult<Row>> {
    const answer = this.#last.then(() => this.#run<Row>({ text, values, limitMs }));
    this.#last = answer.catch(() => undefined); // its caller gets the failure; the next statement must not
    return answer;
  }

  /** Sends a statement, calls `sent`, and returns the answer. */
  async #run<Row extends QueryResultRow>(
    { text, values, limitMs }: Asked,
    sent?: () => void,
  ): Promise<QueryResult<Row>> {
    if (this.#lost !== undefined) throw this.#lost;
    const name = nameOf(text);
    // pg takes a timeout for a single statement, though its types do not say so.
    const timeout = limitMs === undefined ? {} : { query_timeout: limitMs };
    const askedAt = performance.now();
    const span = (this.#span ?? this.#origin.tracing)?.statement(text);
    try {
      await this.#keepToLimit();
      if (sent !== undefined) this.#gather();
      const statement = { name, text, values: [...values] };
      // A group has one answer, so a statement with a limit goes alone. So does a text without values, which may be several statements.
      const isJoined = this.#isGathering && limitMs === undefined && (name !== undefined || values.length > 0);
      const asked = isJoined ? this.#joinGroup<Row>(statement) : this.#sendAlone<Row>({ ...statement, ...timeout });
      sent?.();
      const result = await asked;
      span?.end();
      return result;
    } catch (error) {
      span?.end(error);
      const timedOut = limitMs !== undefined && sqlStateOf(error) === undefined;
      const isOutdated = name !== undefined && sqlStateOf(error) === PLAN_OUTDATED;
      if (meansGone(error) || timedOut || isOutdated || this.#isOverTime(error, askedAt)) this.#lose(error);
      if (this.#lost !== undefined) throw this.#lost;
      if (sqlStateOf(error) === IN_FAILED_TRANSACTION) throw new TransactionFailedError(this.#firstError);
      this.#firstError ??= error;
      throw error;
    }
  }

  /** Holds back what is sent until this turn of the event loop has nothing more to send: one write to the socket in place of several. */
  #gather(): void {
    if (this.#isGathering || !(this.#client instanceof Client)) return;
    this.#isGathering = true;
    const { stream } = this.#client.connection;
    stream.cork();
    // A tick that begins among promises comes after all of them, so also after the statement that a task sends next.
    queueMicrotask(() =>
      process.nextTick(() => {
        this.#isGathering = false;
        this.#sendGroup();
        stream.uncork();
      }),
    );
  }

  #sendAlone<Row extends QueryResultRow>(statement: QueryConfig): Promise<QueryResult<Row>> {
    this.#sendGroup();
    return this.#client.query<Row>(statement);
  }

  #joinGroup<Row extends QueryResultRow>(statement: QueryConfig): Promise<QueryResult<Row>> {
    this.#group ??= new StatementGroup();
    return this.#group.add<Row>(statement);
  }

  #sendGroup(): void {
    const group = this.#group;
    if (group === undefined) return;
    this.#group = undefined;
    this.#client.query(group);
  }

  /**
   * Runs before each statement where the server does not end long transactions by itself.
   *
   * No statement starts after the limit. The server ends one that takes longer than the time that is left, give or take
   * a tenth of the limit. So the limit also holds for a frozen process: its statement ends, and then the server's idle
   * clock runs.
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

  /**
   * Whether a statement was ended because the limit of the transaction, or of the single statement, is over. A shorter
   * timeout that the task has set itself is the task's failure.
   */
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
   * Names the isolation level, whatever the server's default is. Every protocol here needs each statement to see what
   * is committed when it starts.
   */
  async begin(): Promise<void> {
    this.#span = this.#origin.tracing?.transaction();
    this.restOn(this.sendAhead("start transaction isolation level read committed", [], PROMPT_MS));
    this.#inTransaction = true;
    this.#beganAt = this.#toldAt = performance.now();
  }

  /**
   * Commits, and sends `last` together with that. Throws what the server reports, e.g. a deferred constraint; then it has rolled back. So a
   * `last` that must not be followed by a commit has to fail. Gives the connection back in any case.
   */
  async commit(last?: Statement): Promise<void> {
    this.#ending = true;
    await this.confirmed();
    try {
      const ahead = last === undefined ? undefined : this.sendAhead(last.sql, last.parameters);
      const [written, committed] = await Promise.allSettled([ahead, this.#enqueue(COMMIT)]);
      if (written.status === "rejected") {
        // The server has skipped the COMMIT.
        await this.#enqueue("rollback", [], PROMPT_MS).catch((error: unknown) => this.#lose(error));
        throw written.reason;
      }
      if (committed.status === "rejected") throw committed.reason;
      // To COMMIT of a transaction with a failed statement PostgreSQL returns ROLLBACK, and no error.
      if (committed.value.command !== "COMMIT") throw new TransactionFailedError(this.#firstError);
    } finally {
      this.release();
    }
  }

  /**
   * Rolls back if anything was begun, and gives the connection back. A statement that still runs is ended with its
   * connection, since nobody waits for it any more.
   *
   * Never throws. A connection that cannot roll back is closed, which has the same effect.
   */
  async rollback(): Promise<void> {
    if (this.#released) return;
    this.#ending = true;
    if (this.#running > 0 || !(await this.#isAnswered())) return this.destroy();
    if (this.#released) return; // it was destroyed meanwhile
    // A failed ROLLBACK is noted as the loss of the connection.
    if (this.#inTransaction) {
      await this.#enqueue("rollback", [], PROMPT_MS).catch((error: unknown) => this.#lose(error));
    }
    this.release();
  }

  /** Whether what was sent ahead is answered, soon. */
  async #isAnswered(): Promise<boolean> {
    if (this.#ahead === undefined) return true;
    const answered = this.#ahead.then(
      () => true,
      () => true,
    );
    return await Promise.race([answered, pause(AHEAD_MS, false, { ref: false })]);
  }

  /**
   * Resets the server's idle clock. Does nothing while a statement runs, outside a transaction, or after the end. Never
   * throws.
   */
  async keepAwake(): Promise<void> {
    const isBusy = this.#running > 0 || this.#ahead !== undefined;
    if (!this.#inTransaction || isBusy || this.#ending || this.#lost !== undefined) return;
    // The session notes a loss. In a failed transaction even the server's refusal resets the clock.
    await this.#enqueue("select 1", [], PROMPT_MS).catch(() => undefined);
  }

  /**
   * Ends the transaction, also while a statement runs in it. Never throws.
   *
   * Settles when the server's side has ended. Where the server cannot be asked, it settles when no COMMIT can be sent
   * any more.
   */
  async destroy(): Promise<void> {
    if (this.#released) return;
    this.#ending = true;
    const pid = "processID" in this.#client ? this.#client.processID : undefined;
    // The server may have given a lost connection's process id to another one.
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
    this.#span?.end(this.#lost ?? this.#firstError);
    this.#client.off("error", this.#onError);
    // A regular close of a cut link would wait for an answer.
    if (this.#lost !== undefined && this.#client instanceof Client) this.#client.connection.stream.destroy();
    this.#client.release(this.#lost);
    this.#origin.released();
  }
}
