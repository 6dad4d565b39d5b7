// Tested by apps/dashboard/src/act/act_test.ts
import type { Broker } from "@muster/tasks";
import {
  countDeadLetters,
  countToDrop,
  dropDeadLetter,
  dropDeadLetters,
  findDeadLetter,
  requeueDeadLetter,
  requeueDeadLetters,
} from "@muster/tasks/operate";
import * as z from "zod";
import { counted } from "../markup/format.ts";
import { type Action, action, RefusedError } from "./action.ts";
import { deadFilter, wordsOf } from "../read/dead_choice.ts";
import { numbers, optional, time, whole } from "./fields.ts";

const Which = z.object({
  ...{ sequence: numbers, task: optional, vo: optional, reason: optional },
  /** The moments between which they were given up. */
  ...{ from: time, until: time },
  /** The number that was shown, and the number that was typed. */
  ...{ count: whole, confirmed: whole },
});
type Which = z.output<typeof Which>;

function nameOf({ sequence, ...choice }: Which): string {
  if (sequence !== undefined) return `dead letters ${sequence.join(", ")}`;
  const words = wordsOf(choice);
  return words === "" ? "all dead letters" : `dead letters${words}`;
}

/** Throws unless what was typed is what was shown, and is still so. */
async function checkNumber(found: () => Promise<number> | number, { count, confirmed }: Which): Promise<void> {
  if (count !== confirmed)
    throw new RefusedError(`You typed ${confirmed}, and there were ${count}: nothing was done. Go back and look again`);
  const now = await found();
  if (now !== count)
    throw new RefusedError(`There are ${now} now, and you confirmed ${count}: nothing was done. Look again`);
}

async function requeueChosen(
  broker: Broker,
  sequences: readonly number[],
): Promise<{ done: number; refused: string[] }> {
  const refused: string[] = [];
  let done = 0;
  for (const sequence of sequences) {
    try {
      await requeueDeadLetter(broker, await findDeadLetter(broker, sequence));
      done++;
    } catch (error) {
      if (!(error instanceof Error) || !["InvalidNameError", "UnknownDeadLetterError"].includes(error.name))
        throw error;
      refused.push(error.message);
    }
  }
  return { done, refused };
}

async function dropChosen(broker: Broker, sequences: readonly number[]): Promise<number> {
  let done = 0;
  for (const sequence of sequences) {
    try {
      await dropDeadLetter(broker, sequence);
      done++;
    } catch (error) {
      // Somebody else has requeued or dropped it.
      if (!(error instanceof Error && error.name === "UnknownDeadLetterError")) throw error;
    }
  }
  return done;
}

/** Requeue and drop dead letters: those that were chosen, or all that match. */
export const DEAD_ACTIONS: readonly Action[] = [
  action("dead.requeue", Which, async ({ broker }, which) => {
    const { sequence, count } = which;
    await checkNumber(() => sequence?.length ?? countDeadLetters(broker, deadFilter(which)), which);
    const target = nameOf(which);
    if (sequence !== undefined) {
      const { done, refused } = await requeueChosen(broker, sequence);
      const why = refused.length === 0 ? "" : ` ${counted(refused.length, "letter")} stayed: ${refused[0]}`;
      return {
        said: `Requeued ${counted(done, "dead letter")}.${why}`,
        target,
        detail: { done, stayed: refused.length },
        to: "/dead",
      };
    }
    const { requeued, refused } = await requeueDeadLetters(broker, deadFilter(which), { limit: count });
    const why = refused.length === 0 ? "" : ` ${counted(refused.length, "letter")} stayed: ${refused[0]?.reason}`;
    const detail = { done: requeued.length, stayed: refused.length };
    return { said: `Requeued ${counted(requeued.length, "dead letter")}.${why}`, target, detail, to: "/dead" };
  }),
  action("dead.drop", Which, async ({ broker }, which) => {
    const { sequence } = which;
    const target = nameOf(which);
    if (sequence !== undefined) {
      await checkNumber(() => sequence.length, which);
      const done = await dropChosen(broker, sequence);
      return { said: `Dropped ${counted(done, "dead letter")}.`, target, detail: { done }, to: "/dead" };
    }
    const matching = await countToDrop(broker, deadFilter(which));
    await checkNumber(() => matching.count, which);
    const done = await dropDeadLetters(broker, deadFilter(which), matching);
    return { said: `Dropped ${counted(done, "dead letter")}.`, target, detail: { done }, to: "/dead" };
  }),
];
