// Tested by apps/dashboard/src/act/act_test.ts
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

/** What became of letters that were chosen one by one. */
interface Chosen {
  readonly done: number;
  /** Letters that are there no more: somebody else has requeued or dropped them. */
  readonly gone: number;
  /** Why others stayed. */
  readonly refused: readonly string[];
}

/** Does `act` for each letter. One that is gone, and one that cannot be requeued, keeps it from none of the others. */
async function actOnEach(sequences: readonly number[], act: (sequence: number) => Promise<unknown>): Promise<Chosen> {
  const refused: string[] = [];
  let [done, gone] = [0, 0];
  for (const sequence of sequences) {
    try {
      await act(sequence);
      done++;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (error.name === "UnknownDeadLetterError") gone++;
      else if (error.name === "InvalidNameError") refused.push(error.message);
      else throw error;
    }
  }
  return { done, gone, refused };
}

/** Says in words what became of them. */
function sayOf(did: string, { done, gone, refused }: Chosen): string {
  const stayed = refused.length === 0 ? "" : ` ${counted(refused.length, "letter")} stayed: ${refused[0]}`;
  const were = gone === 1 ? "letter was" : "letters were";
  const missed = gone === 0 ? "" : ` ${gone} ${were} gone: somebody else has requeued or dropped what was chosen.`;
  return `${did} ${counted(done, "dead letter")}.${missed}${stayed}`;
}

/** Requeue and drop dead letters: those that were chosen, or all that match. */
export const DEAD_ACTIONS: readonly Action[] = [
  action("dead.requeue", Which, async ({ broker }, which) => {
    const { sequence, count } = which;
    await checkNumber(() => sequence?.length ?? countDeadLetters(broker, deadFilter(which)), which);
    const target = nameOf(which);
    if (sequence !== undefined) {
      const chosen = await actOnEach(sequence, async (each) =>
        requeueDeadLetter(broker, await findDeadLetter(broker, each)),
      );
      const detail = { done: chosen.done, stayed: chosen.refused.length, gone: chosen.gone };
      return { said: sayOf("Requeued", chosen), target, detail, to: "/dead" };
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
      const chosen = await actOnEach(sequence, (each) => dropDeadLetter(broker, each));
      const detail = { done: chosen.done, gone: chosen.gone };
      return { said: sayOf("Dropped", chosen), target, detail, to: "/dead" };
    }
    const matching = await countToDrop(broker, deadFilter(which));
    await checkNumber(() => matching.count, which);
    const done = await dropDeadLetters(broker, deadFilter(which), matching);
    return { said: `Dropped ${counted(done, "dead letter")}.`, target, detail: { done }, to: "/dead" };
  }),
];
