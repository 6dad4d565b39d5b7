// Tested by apps/dashboard/src/act/act_test.ts
import {
  checkRequeuable,
  countDeadLetters,
  findDeadLetter,
  pageOfDeadLetters,
  type StoredDeadLetter,
} from "@muster/tasks/operate";
import { type DeadChoice, deadFilter } from "./dead_choice.ts";
import { keepLate } from "./late.ts";
import type { DeadDetailsData, DeadPageData } from "./shapes.ts";
import { shared } from "./shared.ts";
import type { Sources } from "./sources.ts";

/** Age up to which what was read for one viewer does for the next one, ms. */
const FRESH_MS = 1_500;
/** Dead letters in one page. */
const PAGE = 50;
/** Characters of a payload that are shown. */
const MAX_PAYLOAD = 100_000;

function letterData(letter: StoredDeadLetter): DeadPageData["letters"][number] {
  const { sequence, task, vo, taskId, attempt, reason, deadAt } = letter;
  return { sequence, task, vo, taskId, attempt, reason, deadAt };
}

/** Why a letter cannot be requeued; null: it can. */
function requeueProblem(letter: StoredDeadLetter): string | null {
  try {
    checkRequeuable(letter);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The readers of dead letters. */
export function deadReaders({ broker }: Pick<Sources, "broker">) {
  const count = (choice: DeadChoice) => countDeadLetters(broker, deadFilter(choice));
  // Each letter is read where a reason is asked for, which takes some seconds where there are very many.
  const counts = keepLate(count, { patienceMs: 300, rest: 10, atOnce: 1 });

  async function countOf({ before: _, ...choice }: DeadChoice & { readonly before?: number | undefined }) {
    if (choice.reason !== undefined) return await counts(choice);
    return { result: await count(choice), atMs: Date.now() };
  }

  return {
    dead: shared(async (choice: DeadChoice & { readonly before?: number | undefined }): Promise<DeadPageData> => {
      const page = pageOfDeadLetters(broker, { ...deadFilter(choice), before: choice.before, limit: PAGE });
      const { letters, next } = await page;
      // A first page without a next one has all. The others are counted, after the page so that the two do not read side by side.
      const isAll = next === undefined && choice.before === undefined;
      const counted = isAll ? { result: letters.length, atMs: Date.now() } : await countOf(choice);
      return {
        total: counted?.result ?? null,
        countedAt: counted === undefined ? null : new Date(counted.atMs).toISOString(),
        letters: letters.map(letterData),
        next: next ?? null,
      };
    }, FRESH_MS),

    /** Waits for the count, however long it takes. */
    deadCount: shared(count, FRESH_MS),

    letter: shared(async (sequence: number): Promise<DeadDetailsData> => {
      const letter = await findDeadLetter(broker, sequence);
      const headers = [...(letter.headers ?? [])].flatMap(([name, values]) => values.map((value) => ({ name, value })));
      const payload = new TextDecoder().decode(letter.body.subarray(0, MAX_PAYLOAD));
      return {
        letter: letterData(letter),
        ...{ subject: letter.subject, errors: [...letter.errors], payload },
        headers: headers.filter(({ name }) => !name.startsWith("Dead-")),
        requeueProblem: requeueProblem(letter),
      };
    }, FRESH_MS),
  };
}
