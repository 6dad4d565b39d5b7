import type { StoredDeadLetter } from "@muster/tasks/operate";
import { InvalidArgumentError } from "commander";

/** A dead letter in JSON. */
export type LetterJson = Omit<StoredDeadLetter, "headers" | "body">;

export function letterJson(letter: StoredDeadLetter): LetterJson {
  const { sequence, task, vo, taskId, attempt, reason, errors, deadAt, subject } = letter;
  return { sequence, task, vo, taskId, attempt, reason, errors, deadAt, subject };
}

/** Reads a sequence of DEAD. */
export function parseSequence(text: string): number {
  const sequence = /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
  if (sequence > 0) return sequence;
  throw new InvalidArgumentError(
    "A dead letter is named by its sequence, a whole number; `muster dead list` shows them.",
  );
}
