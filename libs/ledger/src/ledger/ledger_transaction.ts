import type { Connections } from "../database/connections.ts";
import { meansDoubt, meansGone } from "../database/failures.ts";
import type { Session } from "../database/session.ts";
import { type StatementAnswer, statementFrom } from "../database/statement.ts";
import type { Transaction } from "../database/transaction.ts";
import { type Fence, FenceRefusedError, type FenceSession, raiseFence, raiseSharedFence, shareFence } from "./fence.ts";
import { isStanding, outcomeThatStands } from "./outcomes.ts";
import { INSERT_OUTCOME_OR_FAIL, type OutcomeRow, outcomeValues } from "./outcome_row.ts";

/** The run of a task that wants to write, and the locks that it needs for that. */
export interface Claim {
  readonly taskId: string;
  readonly task: string;
  readonly vo: string;
  readonly attempt: number;
  /** In the order of their keys. The transaction's first statements raise each. Empty: no lock is needed. */
  readonly fences: readonly Fence[];
}

/** The result of a COMMIT. An error that the database reports is thrown instead. */
export type CommitAnswer =
  /** This run's outcome is durable. */
  | { readonly kind: "committed"; readonly row: OutcomeRow }
  /** Another run's row stands; this run was rolled back. */
  | { readonly kind: "earlier"; readonly row: OutcomeRow }
  /** The database did not answer, or a newer lease has written. The run is neither done nor failed. */
  | { readonly kind: "unknown"; readonly cause: unknown };

/** A task's transaction was destroyed, or was used after its end. */
export class TransactionEndedError extends Error {
  override readonly name = "TransactionEndedError";
  readonly taskId: string;
  constructor(taskId: string, how: "destroyed" | "over") {
    super(`Cannot use the transaction of task ${taskId}: it is ${how}; open a new one`);
    this.taskId = taskId;
  }
}

interface Begun {
  readonly session: Session;
  readonly transaction: Transaction;
}

/**
 * The transaction of one run of a task. It begins at its first use and raises the fences first. It commits together
 * with the task's row in the ledger.
 *
 * States: idle -> connecting -> fencing -> open -> ended, and to ended from each of them. `gone` may be set from
 * connecting on.
 *
 * Only this class writes its fields.
 */
export class LedgerTransaction {
  readonly #connections: Connections;
  readonly #claim: Claim;
  /** The one beginning that all callers share. `#begin` sets it at the first use. */
  #begun: Promise<Begun> | undefined;
  /** The session, from the connection to the roll-back. `#open` sets it, `#rollBack` takes it away. */
  #session: Session | undefined;
  /** True once `commit`, `rollback` or `destroy` has decided the end. From then on nothing begins. */
  #ended = false;
  #rollingBack: Promise<void> | undefined;
  /** Why this run can have no outcome, once the session does not say it any more. The first reason stays. */
  #gone: Error | undefined;
  /** Whether a statement met a missing table or right. `#rollBack` keeps it here when it takes the session away. */
  #isDoubtful = false;

  constructor(connections: Connections, claim: Claim) {
    this.#connections = connections;
    this.#claim = claim;
  }

  /**
   * Begins at the first call; later calls return the same. BEGIN and the fences are on their way then, and the first statement travels with
   * them. That statement throws `FenceRefusedError` where a fence refuses, and so does each later one.
   *
   * Throws `DatabaseGoneError` where there is no connection.
   */
  async transaction(): Promise<Transaction> {
    const { transaction } = await this.#begin();
    return transaction;
  }

  /** Begins, and resolves when the fences stand. Throws `FenceRefusedError`, `DatabaseGoneError` or what the server reports. */
  async fenced(): Promise<void> {
    const { session } = await this.#begin();
    await session.confirmed();
  }

  /**
   * Runs a statement of the run's code in a thread, inside the transaction, and returns what the thread reads of it. Throws what
   * {@linkcode transaction} throws and what the server reports.
   */
  async serve(question: unknown): Promise<StatementAnswer> {
    const { sql, parameters } = statementFrom(question);
    const { session } = await this.#begin();
    const { command, rowCount, rows } = await session.query(sql, parameters);
    return { command, rowCount, rows };
  }

  /**
   * Flushes what the entity manager still holds, inserts the ledger row and commits. The last two take one round trip. Rolls back and throws
   * where the server reports an error.
   */
  async commit(row: OutcomeRow): Promise<CommitAnswer> {
    try {
      const { session, transaction } = await this.#begin();
      await transaction.flush();
      this.#ended = true;
      await session.commit({ sql: INSERT_OUTCOME_OR_FAIL, parameters: outcomeValues(row) });
      return { kind: "committed", row };
    } catch (error) {
      await this.rollback();
      if (isStanding(error)) return await this.#earlier(row);
      if (this.gone() === undefined && !meansGone(error)) throw error;
      return { kind: "unknown", cause: error };
    }
  }

  /** What is to be told where another run's row stands. */
  async #earlier({ taskId }: OutcomeRow): Promise<CommitAnswer> {
    try {
      return { kind: "earlier", row: await this.#connections.use((session) => outcomeThatStands(session, taskId)) };
    } catch (error) {
      if (!meansGone(error)) throw error;
      return { kind: "unknown", cause: error };
    }
  }

  /**
   * Rolls back, and ends a statement that still runs. Never throws. Harmless when nothing was begun or all has ended.
   */
  async rollback(): Promise<void> {
    this.#ended = true;
    this.#rollingBack ??= this.#rollBack();
    await this.#rollingBack;
  }

  /** Keeps the server from ending an idle transaction. Never throws. */
  async keepAwake(): Promise<void> {
    if (!this.#ended) await this.#session?.keepAwake();
  }

  /**
   * Ends the transaction, also while a statement runs in it. Settles when it has ended or cannot commit any more. Never
   * throws.
   */
  async destroy(): Promise<void> {
    this.#ended = true;
    this.#gone ??= new TransactionEndedError(this.#claim.taskId, "destroyed");
    await (this.#rollingBack ?? this.#session?.destroy());
  }

  /**
   * Why this run can have no outcome of its own, also where `execute` has swallowed the error. Undefined while it can.
   */
  gone(): Error | undefined {
    return this.#gone ?? this.#session?.lost;
  }

  /** Whether a statement failed because a table or a right is missing, also where `execute` has swallowed the error. */
  isDoubtful(): boolean {
    return this.#isDoubtful || meansDoubt(this.#session?.firstError);
  }

  async #rollBack(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    // From here on this class itself ends the connection, so a later loss says nothing.
    this.#gone ??= session.lost;
    this.#isDoubtful ||= meansDoubt(session.firstError);
    this.#session = undefined;
    await session.rollback();
  }

  async #begin(): Promise<Begun> {
    this.#throwIfEnded();
    this.#begun ??= this.#open();
    return this.#begun;
  }

  async #open(): Promise<Begun> {
    try {
      const session = await this.#connections.open();
      this.#session = session;
      this.#throwIfEnded(); // it may have been destroyed during the wait for a connection
      const { fences } = this.#claim;
      for (const fence of fences) if (fence.isShared === true) await raiseSharedFence(session, fence);
      const transaction = await this.#connections.begin(session);
      const ahead: FenceSession = { query: (text, values) => session.sendAhead(text, values) };
      for (const fence of fences) session.restOn(this.#raise(ahead, fence));
      return { session, transaction };
    } catch (error) {
      if (error instanceof Error && meansGone(error)) this.#gone ??= error;
      await this.#session?.rollback();
      throw error;
    }
  }

  async #raise(ahead: FenceSession, fence: Fence): Promise<void> {
    try {
      await (fence.isShared === true ? shareFence(ahead, fence) : raiseFence(ahead, fence));
    } catch (error) {
      if (error instanceof FenceRefusedError) this.#gone ??= error;
      throw error;
    }
  }

  #throwIfEnded(): void {
    const gone = this.gone();
    if (gone !== undefined) throw gone;
    if (this.#ended) throw new TransactionEndedError(this.#claim.taskId, "over");
  }
}
