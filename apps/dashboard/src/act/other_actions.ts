// Tested by apps/dashboard/src/act/act_test.ts
import { disableCe, enableCe } from "@muster/logic";
import { cancelGroup, type Cancelled, cancelTask, drainWorker, releaseLock } from "@muster/tasks/operate";
import * as z from "zod";
import { counted } from "../markup/format.ts";
import { type Action, action, RefusedError } from "./action.ts";
import { optional, text } from "./fields.ts";

const Named = z.object({ name: text });
/** Longest wait for the end of a task that is cancelled, ms. The page shows it when it comes later. */
const CANCEL_WAIT_MS = 2_000;

function describeCancelled(cancelled: Cancelled): string {
  if (cancelled.kind === "cancelled") return "Cancelled it.";
  if (cancelled.kind === "too late") return `It had ended before, as ${cancelled.outcome}; nothing was done.`;
  if (cancelled.found === "nowhere")
    return "No such task waits or runs. One that is published under this id is cancelled.";
  return "Asked for its end. It ends when a worker has it in hand.";
}

/** Actions on CEs, tasks, groups, locks and workers. */
export const OTHER_ACTIONS: readonly Action[] = [
  action("ce.enable", Named, async ({ database }, { name }) => {
    await database.transaction((transaction) => enableCe(transaction, name));
    return { said: `Enabled ${name}: new pilots are let in.`, target: name };
  }),
  action("ce.disable", Named, async ({ database }, { name }) => {
    await database.transaction((transaction) => disableCe(transaction, name));
    return { said: `Disabled ${name}: no new pilot is let in; active ones run on.`, target: name };
  }),
  action("task.cancel", z.object({ id: text, reason: optional }), async ({ broker, database, who }, { id, reason }) => {
    const why = reason === undefined ? {} : { reason };
    const cancelled = await cancelTask(broker, id, {
      by: who,
      ...why,
      ledger: database.ledger,
      waitMs: CANCEL_WAIT_MS,
    });
    return { said: describeCancelled(cancelled), target: id, detail: { ...why, became: cancelled.kind } };
  }),
  action("group.cancel", z.object({ id: text, reason: optional }), async ({ broker, who }, { id, reason }) => {
    const why = reason === undefined ? {} : { reason };
    const group = await cancelGroup(broker, id, { by: who, ...why });
    if (group === undefined) throw new RefusedError(`There is no group ${id}: it ended a day ago, or never was`);
    if (group.closed !== null)
      throw new RefusedError("The group is closed: all its children have ended, or its time was over");
    return {
      said: `Cancelled the children that have not ended, ${group.total - group.ended} of ${group.total}.`,
      target: id,
      detail: why,
    };
  }),
  action("lock.release", z.object({ key: text, holder: optional }), async ({ broker }, { key, holder }) => {
    const { leases } = await releaseLock(broker, key, { holder });
    return {
      said: `Released ${key}: ${counted(leases.length, "lease")} taken away.`,
      target: key,
      detail: { holders: leases.map((each) => each.worker) },
    };
  }),
  action("worker.drain", Named, async ({ broker, who }, { name }) => {
    const { running, handedBack, wasDraining } = await drainWorker(broker, name, { by: who });
    const said = wasDraining
      ? `${name} drains already: ${counted(running, "task")} still run${running === 1 ? "s" : ""}.`
      : `${name} drains: ${counted(running, "task")} still run${running === 1 ? "s" : ""}, ${counted(handedBack, "task")} went back.`;
    return { said, target: name };
  }),
];
