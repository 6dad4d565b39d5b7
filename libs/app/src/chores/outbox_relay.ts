// Tested by tests/src/outbox/relay_test.ts
import { type OutboxTask, settleOutbox, takeOutbox } from "@muster/ledger";
import { createHookGate, type HookGate, type Stored, storeTasks } from "@muster/tasks/operate";
import type { Chore, Middleware } from "@muster/tasks";
import type { ChoreServers } from "./chore_servers.ts";

/**
 * Time from one look at the outbox to the next where nothing was told, ms. It finds what a relay that died had taken, and
 * what came by a connection on which nothing can be told.
 */
const LOOK_MS = 2_000;
/** Rest after a server did not answer, ms. */
const REST_MS = 1_000;

interface RelayContext extends ChoreServers {
  /** Lets tasks pass the middlewares; undefined: there is none. */
  readonly gate: HookGate | undefined;
}

/** What one batch came to. */
interface Batch {
  readonly tasks: readonly OutboxTask[];
  /** The first reason why a task could not be published yet; undefined: there is none. */
  readonly kept: unknown;
  /** Whether the broker is away or has no room, so that others would fare no better now. */
  readonly isStuck: boolean;
}

function ofKind<Kind extends Stored["kind"]>(stored: readonly Stored[], kind: Kind) {
  return stored.flatMap((each, at) =>
    each.kind === kind ? [{ at, each: each as Extract<Stored, { kind: Kind }> }] : [],
  );
}

/** Publishes the next tasks behind `after`, and deletes them once the broker has them. */
async function relayBatch({ broker, database, log, gate }: RelayContext, after: number): Promise<Batch> {
  return await database.transaction(async (transaction) => {
    const tasks = await takeOutbox(transaction, after);
    const stored = await storeTasks(broker, tasks, gate);
    const numberAt = (at: number) => tasks[at]?.number ?? 0;
    const published = ofKind(stored, "stored").map(({ at }) => numberAt(at));
    const refused = ofKind(stored, "refused").map(({ at, each }) => ({ number: numberAt(at), reason: each.reason }));
    await settleOutbox(transaction, { published, refused });
    for (const { at, each } of ofKind(stored, "refused")) {
      const { taskId, task, vo } = tasks[at] ?? {};
      log.warn({ task, vo, taskId, reason: each.reason }, "set aside a task of the outbox that cannot be published");
    }
    const kept = ofKind(stored, "kept").map(({ each }) => each);
    return { tasks, kept: kept[0]?.cause, isStuck: kept.some(({ reach }) => reach === "all tasks") };
  });
}

/**
 * Publishes all that the outbox holds now. A task that cannot be published yet stays, and holds up no other.
 *
 * Throws why one could not be published yet, once the others were tried.
 */
async function drainOutbox(context: RelayContext, signal: AbortSignal): Promise<void> {
  let kept: unknown;
  for (let after = 0; !signal.aborted; ) {
    const batch = await relayBatch(context, after);
    kept ??= batch.kept;
    const last = batch.tasks.at(-1);
    if (last === undefined || batch.isStuck) break;
    after = last.number;
  }
  if (kept !== undefined) throw kept;
}

/** How the outbox is looked after. */
export interface OutboxOptions {
  /** Longest time from one look to the next where the database tells of nothing, ms; default 2,000. */
  readonly lookMs?: number;
  /** Runs around each task that is published, the first outermost. Default: none. */
  readonly middleware?: readonly Middleware[];
}

/**
 * The chore of a scheduler that publishes what applications have put into the outbox: at each commit that did so, and every
 * two seconds (PROTOCOL 13). {@linkcode createChores} has it.
 *
 * Several processes may do it at once, as while the lead changes: each task is taken by one of them, and its id stays.
 */
export function outboxChore(servers: ChoreServers, { lookMs = LOOK_MS, middleware = [] }: OutboxOptions = {}): Chore {
  const context = { ...servers, gate: createHookGate(middleware) };
  return {
    name: "publishing the outbox",
    everyMs: REST_MS,
    async run(signal) {
      // It listens before it looks, so that nothing is missed between the two.
      await using listener = await servers.database.listenToOutbox();
      while (!signal.aborted) {
        await drainOutbox(context, signal);
        await listener.untilTold(lookMs, signal);
      }
    },
  };
}
