import type { Connections } from "../database/connections.ts";
import { meansDoubt, meansGone } from "../database/failures.ts";
import type { Session } from "../database/session.ts";
import type { Transaction } from "../database/transaction.ts";
import { type Fence, FenceRefusedError, raiseFence } from "./fence.ts";
import { insertOutcome } from "./outcomes.ts";
import type { OutcomeRow } from "./outcome_row.ts";

/** What one run of a task lays claim to before it may write. */
export interface Claim {
  readonly taskId: string;
  readonly task: string;
  readonly vo: string;
  readonly attempt: number;
  /** In key order; the transaction's first statements raise each. Empty: nothing to fence. */
  readonly fences: readonly Fence[];
}

/** The answer to a COMMIT. What the database reports against it is thrown instead. */
export type CommitAnswer =
  /** The outcome is durable and ours. */
  | { readonly kind: "committed"; readonly row: OutcomeRow }
  /** Another run's row stands; ours was rolled back. */
  | { readonly kind: "earlier"; readonly row: OutcomeRow }
  /** No answer, or a newer lease has written: neither done nor failed. */
  | { readonly kind: "unknown"; readonly cause: unknown };

/** A task's transaction was destroyed, or is used after its end. */
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
 * The transaction of one run of a task: begun at its first use, fences first, and committed together with the task's
 * row in the ledger.
 *
 * States: idle -> connecting -> fencing -> open -> ended, and to ended from each of them. `gone` may be set from
 * connecting on.
 */
export class LedgerTransaction {
  readonly #connections: Connections;
  readonly #claim: Claim;
  #begun: Promise<Begun> | undefined;
  #session: Session | undefined;
  #ended = false;
  #rollingBack: Promise<void> | undefined;
  #gone: Error | undefined;
  #isDoubtful = false;

  constructor(connections: Connections, claim: Claim) {
    this.#connections = connections;
    this.#claim = claim;
  }

  /**
   * Begins at the first call, fences first; later calls return the same. Throws `FenceRefusedError`,
   * `DatabaseGoneError` or what the server reports.
   */
  async transaction(): Promise<Transaction> {
    const { transaction } = await this.#begin();
    return transaction;
  }

  /**
   * Flushes what the entity manager still holds, inserts the ledger row and commits. Throws what the server reports,
   * after rolling back.
   */
  async commit(row: OutcomeRow): Promise<CommitAnswer> {
    try {
      const { session, transaction } = await this.#begin();
      await transaction.flush();
      const earlier = await insertOutcome(session, row);
      this.#ended = true;
      if (earlier !== undefined) {
        await session.rollback();
        return { kind: "earlier", row: earlier };
      }
      await session.commit();
      return { kind: "committed", row };
    } catch (error) {
      await this.rollback();
      if (this.gone() === undefined && !meansGone(error)) throw error;
      return { kind: "unknown", cause: error };
    }
  }

  /** Ends what still runs, too. Never throws; harmless when nothing was begun or all has ended. */
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
   * Ends the transaction whatever runs in it. Settles when it has surely ended or cannot commit any more. Never throws.
   */
  async destroy(): Promise<void> {
    this.#ended = true;
    this.#gone ??= new TransactionEndedError(this.#claim.taskId, "destroyed");
    await (this.#rollingBack ?? this.#session?.destroy());
  }

  /**
   * Why this run can have no outcome of its own, also where `execute` has swallowed the error; undefined while all is
   * well.
   */
  gone(): Error | undefined {
    return this.#gone ?? this.#session?.lost;
  }

  /** Whether a statement failed for want of a table or a right, also where `execute` has swallowed the error. */
  isDoubtful(): boolean {
    return this.#isDoubtful || meansDoubt(this.#session?.firstError);
  }

  async #rollBack(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    // What happens to the connection from here on is our own doing.
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
      this.#throwIfEnded(); // it may have been destroyed while it waited for a connection
      const transaction = await this.#connections.begin(session);
      for (const fence of this.#claim.fences) await raiseFence(session, fence);
      return { session, transaction };
    } catch (error) {
      if (error instanceof FenceRefusedError || (error instanceof Error && meansGone(error))) this.#gone ??= error;
      await this.#session?.rollback();
      throw error;
    }
  }

  #throwIfEnded(): void {
    const gone = this.gone();
    if (gone !== undefined) throw gone;
    if (this.#ended) throw new TransactionEndedError(this.#claim.taskId, "over");
  }
}
