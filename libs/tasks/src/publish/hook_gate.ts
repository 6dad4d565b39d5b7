import type { SpawnedTask } from "../definition/ledger.ts";
import { joinMiddleware, type Middleware } from "../definition/middleware.ts";
import { messageSeen } from "../definition/prepare.ts";
import { checkOwnHeaders, type OwnHeaders } from "../format/own_headers.ts";

/** Longest wait for the hooks of one task, ms. So a slow hook holds up others by no more. */
const PATIENCE_MS = 1_000;
/** How long the answer of a late hook is kept for the next turn of its task, ms. */
const KEPT_MS = 60_000;
/** Greatest number of tasks whose hooks are late. Beyond it no hook is called. */
const MOST_LATE = 1_000;

/** What the `publish` hooks made of a task. */
export type Gated =
  /** It may be stored, with these headers of its publisher's own. */
  | { readonly kind: "passed"; readonly headers: OwnHeaders }
  /** A hook has thrown. */
  | { readonly kind: "refused"; readonly error: unknown }
  /** A hook has not ended yet. It is not called a second time when the task comes again meanwhile. */
  | { readonly kind: "late"; readonly error: Error };

/** A task before a gate. */
type Outgoing = Pick<SpawnedTask, "task" | "vo" | "taskId" | "payload" | "headers">;

/** Lets tasks pass the `publish` hooks where one loop stores the tasks of many publishers, and must wait long for none. */
export interface HookGate {
  /** Returns within a second. Never throws. */
  pass(task: Outgoing): Promise<Gated>;
}

/** Returns what `promise` resolves with; undefined where that takes longer. `promise` never rejects. */
async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), ms);
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The gate of a list of middlewares; undefined where none of them has a `publish` hook, so that nothing has to pass.
 *
 * Throws `TypeError` for two middlewares of one name.
 */
export function createHookGate(
  middleware: readonly Middleware[],
  { patienceMs = PATIENCE_MS }: { readonly patienceMs?: number } = {},
): HookGate | undefined {
  const { publish: around } = joinMiddleware(middleware);
  if (around === undefined) return undefined;
  const called = around;
  /** The answers of late hooks by task id: under way, or kept. */
  const late = new Map<string, Promise<Gated>>();

  async function call(task: Outgoing): Promise<Gated> {
    try {
      const message = messageSeen(task, task.headers);
      return await called(message, async () => ({
        kind: "passed",
        headers: checkOwnHeaders({ ...message.headers }),
      }));
    } catch (error) {
      return { kind: "refused", error };
    }
  }

  function keep(taskId: string, answer: Promise<Gated>): void {
    if (late.has(taskId)) return;
    late.set(taskId, answer);
    // Its task may never come again, as where a newer occurrence is due by then.
    const forget = () => late.get(taskId) === answer && late.delete(taskId);
    void answer.then(() => setTimeout(forget, KEPT_MS).unref());
  }

  return {
    async pass(task) {
      const { taskId } = task;
      const yet = (problem: string): Gated => ({
        kind: "late",
        error: new Error(`Cannot publish ${task.task} ${taskId} yet: ${problem}`),
      });
      const before = late.get(taskId);
      if (before === undefined && late.size >= MOST_LATE) return yet(`a middleware holds up ${MOST_LATE} other tasks`);
      const answer = before ?? call(task);
      const gated = await within(answer, patienceMs);
      if (gated === undefined) keep(taskId, answer);
      else late.delete(taskId);
      return gated ?? yet(`a middleware has not let it pass within ${patienceMs} ms; it is tried again`);
    },
  };
}
