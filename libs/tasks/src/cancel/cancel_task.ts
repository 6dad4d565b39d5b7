// Tested by tests/src/worker/cancel_test.ts
import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import type { Ledger } from "../definition/ledger.ts";
import { boundId, checkTaskId } from "../format/delivery.ts";
import { isConflict } from "../streams/streams.ts";
import {
  type Cancellation,
  CANCELLATION_TTL_MS,
  readCancellation,
  storeCancellation,
  type TaskEnding,
} from "./cancellation.ts";
import { findMessage, type FoundMessage } from "./find_message.ts";

/** Longest wait for the end of a task, ms, where the caller states none. */
const WAIT_MS = 5_000;
/** First pause between two looks for the end, ms. It doubles up to the next constant. */
const FIRST_LOOK_MS = 25;
const LAST_LOOK_MS = 400;

/** Who cancels and why, and how long the answer may take. */
export interface CancelOptions {
  /** Who cancels, as `ana@ui01`. It stands in the task's last error. */
  readonly by?: string;
  readonly reason?: string;
  /** The workers' ledger. With it a task that has ended is told as such, also where it ended long ago. */
  readonly ledger?: Pick<Ledger<never>, "recall">;
  /** Longest wait for the end of the task, ms; default 5,000. 0: only ask for it. */
  readonly waitMs?: number;
}

/** What became of a wish to cancel. */
export type Cancelled =
  /** The task has ended as cancelled, without an effect. */
  | { readonly kind: "cancelled"; readonly taskId: string }
  /** The task had ended before. A `dead` one is a dead letter, and waits for nobody. */
  | { readonly kind: "too late"; readonly taskId: string; readonly outcome: TaskEnding }
  /**
   * The wish is stored, and nobody has carried it out yet. `found` says where the task waits, or that no such task was found: a task that is
   * published under this id before `expiresAt` is cancelled when it is pulled.
   */
  | {
      readonly kind: "requested";
      readonly taskId: string;
      readonly found: FoundMessage | "nowhere" | "unknown";
      readonly expiresAt: string;
    };

/** The end of a task as the ledger has it; undefined: it has not ended, or no ledger knows. */
async function endInLedger(taskId: string, ledger: CancelOptions["ledger"]): Promise<TaskEnding | undefined> {
  const row = await ledger?.recall(taskId);
  return row === undefined || row.outcome === "retry" ? undefined : row.outcome;
}

function answer(taskId: string, outcome: TaskEnding): Cancelled {
  return outcome === "cancelled" ? { kind: "cancelled", taskId } : { kind: "too late", taskId, outcome };
}

/**
 * Stores a cancellation, unless one stands whose task has not ended otherwise. Returns the one that then stands. Throws when the broker does
 * not answer.
 */
export async function askToCancel(broker: Broker, wish: Omit<Cancellation, "at" | "ended">): Promise<Cancellation> {
  for (;;) {
    const { revision, cancellation } = await readCancellation(broker, wish.id);
    const stands = cancellation?.of === wish.of && (cancellation.ended ?? "cancelled") === "cancelled";
    if (stands) return cancellation;
    const asked: Cancellation = { ...wish, at: new Date().toISOString() };
    try {
      await storeCancellation(broker, asked, revision);
      return asked;
    } catch (error) {
      if (!isConflict(error)) throw error; // somebody else cancels it too, and is read next
    }
  }
}

/**
 * Cancels a task by its id: one that waits, that is delayed, that waits for its retry, or that runs on any worker.
 *
 * A running task's signal aborts, its transaction is rolled back, and its outcome is `cancelled`. If its COMMIT was first, it is done. One
 * that waits is cancelled when a worker pulls it. The wish is kept for 30 days, so a task that is published under this id meanwhile is
 * cancelled too.
 *
 * Throws `InvalidNameError`, and what the broker and the ledger throw.
 *
 * ```ts
 * const { kind } = await cancelTask(broker, "nightly-probe", { by: "ana@ui01", reason: "wrong dataset" });
 * ```
 */
export async function cancelTask(broker: Broker, id: string, options: CancelOptions = {}): Promise<Cancelled> {
  const { by, reason, ledger, waitMs = WAIT_MS } = options;
  const taskId = boundId(checkTaskId(id));
  const before = await endInLedger(taskId, ledger);
  if (before !== undefined) return answer(taskId, before);
  const wish = { id: taskId, of: "task" as const, ...(by && { by }), ...(reason && { reason }) };
  const asked = await askToCancel(broker, wish);
  const until = performance.now() + waitMs;
  for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(2 * lookMs, LAST_LOOK_MS)) {
    const { cancellation } = await readCancellation(broker, taskId);
    const ended = cancellation?.ended ?? (await endInLedger(taskId, ledger));
    if (ended !== undefined) return answer(taskId, ended);
    if (performance.now() >= until) break;
    await pause(lookMs);
  }
  const expiresAt = new Date(Date.parse(asked.at) + CANCELLATION_TTL_MS).toISOString();
  return { kind: "requested", taskId, found: await findMessage(broker, taskId), expiresAt };
}

/**
 * Notes that a cancellation came too late, where its caller knows an end of the task that {@linkcode cancelTask} did not. It then means no later
 * task of the same id. Does nothing where there is none, or where another one was stored meanwhile. Throws when the broker does not answer.
 */
export async function noteTooLate(broker: Broker, id: string, ended: TaskEnding): Promise<void> {
  const taskId = boundId(checkTaskId(id));
  const { revision, cancellation } = await readCancellation(broker, taskId);
  if (cancellation?.of !== "task" || cancellation.ended !== undefined) return;
  try {
    await storeCancellation(broker, { ...cancellation, ended }, revision);
  } catch (error) {
    if (!isConflict(error)) throw error; // a worker or a scheduler knows better
  }
}
