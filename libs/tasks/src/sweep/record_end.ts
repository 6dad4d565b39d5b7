import type { Json } from "../definition/json.ts";
import type { LedgerOutcome, OutcomeRow } from "../definition/ledger.ts";
import { PayloadRefusedError, payloadHash, readPayload } from "../definition/payload.ts";
import { InvalidNameError } from "../format/names.ts";
import { checkIdentity, TaskRefusedError } from "../run/identify.ts";
import { oneLine } from "../format/headers.ts";
import type { Identified, SweepLedger, Unwanted } from "./unwanted.ts";

/** Longest wait for the ledger's answer about one message, ms. The ledger waits for an open transaction that is about to commit. */
const ANSWER_MS = 15_000;
/** Greatest number of rows written in place of a retry. Its next retry may follow meanwhile. */
const TRIES = 3;

/** The ledger did not say which row stands, so the message stays where it is. */
export class LedgerSilentError extends Error {
  override readonly name = "LedgerSilentError";
  constructor(taskId: string, cause: unknown) {
    super(`Cannot put away ${taskId}: the ledger does not answer; it stays until the database does`, { cause });
  }
}

async function ask<Answer>(taskId: string, asked: Promise<Answer>): Promise<Answer> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer in ${ANSWER_MS} ms`)), ANSWER_MS);
  try {
    return await Promise.race([asked, late]);
  } catch (cause) {
    throw new LedgerSilentError(taskId, cause);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The hash of the payload as it was sent. Undefined where a worker would refuse the message before it ran it: then no worker can hold it.
 */
function hashOf({ stored, task, vo }: Unwanted, { taskId }: Identified): string | undefined {
  try {
    checkIdentity({ task, vo, taskId, headers: stored.header });
    return payloadHash(readPayload(task, stored.data));
  } catch (error) {
    const isRefusal =
      error instanceof PayloadRefusedError || error instanceof InvalidNameError || error instanceof TaskRefusedError;
    if (isRefusal) return undefined;
    throw error;
  }
}

/** The end of a message's task in the ledger's words; undefined: the ledger has no say, since no worker would have run the message. */
export interface End {
  readonly outcome: LedgerOutcome;
  readonly attempt: number;
  readonly reason: string;
  /** What the task returned, where a worker has ended it; absent: nothing. */
  readonly result?: Json;
}

/**
 * Writes into the ledger that a task is put away, before its message goes. The first row wins. A worker that has the task in hand finds
 * this row when it commits, rolls back, and has no effect (PROTOCOL 0.3). Where a worker was first, its row counts.
 *
 * A row `retry` gives way, since that task has not ended. Throws {@linkcode LedgerSilentError}.
 */
export async function recordEnd(ledger: SweepLedger, unwanted: Unwanted, id: Identified): Promise<End | undefined> {
  const { task, vo } = unwanted;
  const hash = hashOf(unwanted, id);
  if (hash === undefined) return undefined;
  let { attempt } = id;
  for (let tries = 0; tries < TRIES; tries++) {
    const errors = [oneLine(unwanted.reason)];
    const row: OutcomeRow = {
      ...{ taskId: id.taskId, task, vo, payloadHash: hash, attempt, outcome: unwanted.end, errors },
      ...{ result: null, spawned: [], dueAt: null },
    };
    const stands = await ask(id.taskId, ledger.record(row));
    // The id belongs to another task, so a worker would have refused the message.
    if (stands.task !== task || stands.vo !== vo || stands.payloadHash !== hash) return undefined;
    if (stands.outcome !== "retry") {
      const { outcome, result } = stands;
      return { outcome, attempt: stands.attempt, reason: stands.errors.at(-1) ?? "given up", result };
    }
    attempt = stands.attempt + 1;
  }
  throw new LedgerSilentError(id.taskId, new Error(`its retries follow one another; ${TRIES} rows were written`));
}
