// Tested by tests/src/worker/cancel_test.ts
import { type Cancellations, type KnownCancellation, openCancellations } from "../cancel/cancellations.ts";
import { describeCancellation } from "../cancel/cancellation.ts";
import { findInLater, idOfLaterMessage } from "../cancel/find_message.ts";
import type { Stored } from "../broker/stored_messages.ts";
import { readChildren, readSpec } from "../group/group_state.ts";
import { REST } from "../lead/charges.ts";
import { LATER } from "../streams/streams.ts";
import { putAway } from "./put_away.ts";
import { LedgerSilentError } from "./record_end.ts";
import type { SweepContext } from "./sweep_context.ts";
import { rawAddress } from "./unwanted.ts";

/** Time after which a database that has not answered is asked again, ms. */
const REST_MS = 5_000;

/** Puts cancelled tasks that wait in LATER away before their time. Those in TASKS are cancelled by the workers that pull them. */
export interface CancelledSweep extends AsyncDisposable {
  /** Looks for those that were cancelled since the last pass. Asks nothing where there is none. Throws where the broker is silent. */
  pass(): Promise<void>;
}

async function putOne(context: SweepContext, cancellations: Cancellations, stored: Stored): Promise<void> {
  const { broker, worker, tasks, ledger, report } = context;
  const taskId = idOfLaterMessage(stored);
  const cancellation = cancellations.find(taskId, stored.header);
  if (cancellation === undefined) return;
  const { task, vo } = rawAddress(stored.subject.slice(0, stored.subject.lastIndexOf(".")));
  const effect = tasks.find(({ name }) => name === task)?.effect ?? "once";
  if (effect === "once" && ledger === undefined) {
    const text = `Cancelled ${task} of ${vo} stays in LATER until its time: a scheduler with a database could put it away`;
    return report.note(`cancelled ${task}`, text, { taskId });
  }
  const custody = effect === "once" ? { ledger } : {};
  const reason = describeCancellation(cancellation);
  const message = { stream: LATER, stored, end: "cancelled" as const, reason, task, vo, taskId, ...custody };
  const outcome = await putAway(broker, worker, message);
  if (outcome !== "retry") await cancellations.noteEnded(taskId, outcome);
}

/** The ids of the tasks that were cancelled: their own, and those of the children of cancelled groups. */
async function idsOf({ broker }: SweepContext, news: readonly KnownCancellation[]): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const { cancellation } of news) {
    const spec = cancellation.of === "group" ? await readSpec(broker, cancellation.id) : undefined;
    if (cancellation.of === "task") ids.add(cancellation.id);
    else if (spec !== undefined) for (const { taskId } of await readChildren(broker, spec)) ids.add(taskId);
  }
  return ids;
}

/** Begins with all that are in force, as a leader does that has just begun. */
export function createCancelledSweep(context: SweepContext): CancelledSweep {
  const { broker, charges, report } = context;
  let swept = new Map<string, number>();
  /** No pass looks before this moment, by `performance.now()`, while the database does not answer. */
  let restUntilMs = Number.NEGATIVE_INFINITY;
  /** Whether there may be some that were not looked at: at first all. */
  let isNews = true;
  /** Opened by the first pass, so that the schedules of a new leader need not wait for it. */
  let cancellations: Cancellations | undefined;

  /** Returns whether all were looked at. */
  async function putAll(known: Cancellations, news: readonly KnownCancellation[]): Promise<boolean> {
    const ids = await idsOf(context, news);
    for (const stored of await findInLater(broker, (id) => ids.has(id))) {
      try {
        await putOne(context, known, stored);
      } catch (cause) {
        if (!(cause instanceof LedgerSilentError)) throw cause;
        const text = "Cannot put a cancelled task away: the database does not answer; it stays until it does";
        report.alarm("cancelled ledger", text, { cause });
        return false; // the next pass looks for the same again
      }
    }
    return true;
  }

  async function open(): Promise<Cancellations> {
    const opened = await openCancellations({ ...broker, briefJsm: broker.jsm });
    opened.onNews(() => {
      isNews = true;
    });
    return opened;
  }

  return {
    async pass() {
      if (!isNews || !charges.led.has(REST) || performance.now() < restUntilMs) return;
      cancellations ??= await open();
      // News that come while this pass looks are for the next one.
      isNews = false;
      const all = cancellations.list();
      const isNew = ({ sequence, cancellation }: KnownCancellation) => swept.get(cancellation.id) !== sequence;
      const news = all.filter((each) => isNew(each) && each.cancellation.ended === undefined);
      try {
        if (news.length === 0 || (await putAll(cancellations, news))) {
          swept = new Map(all.map(({ sequence, cancellation }) => [cancellation.id, sequence]));
          return;
        }
      } finally {
        // Also where the broker was silent.
        isNews ||= news.some(isNew);
      }
      restUntilMs = performance.now() + REST_MS;
    },
    async [Symbol.asyncDispose]() {
      await cancellations?.[Symbol.asyncDispose]();
    },
  };
}
