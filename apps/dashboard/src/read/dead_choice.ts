import { type DeadFilter, parseLengthMs } from "@muster/tasks/operate";

/** Which dead letters are wanted. A field that is left out selects all. */
export interface DeadChoice {
  readonly task?: string | undefined;
  readonly vo?: string | undefined;
  readonly reason?: string | undefined;
  /** How long ago they were given up: `<2h` within the last two hours, `>1d` more than a day ago. */
  readonly age?: string | undefined;
  /** Two moments in place of an age, RFC 3339: at the first one or later, and before the second one. */
  readonly from?: string | undefined;
  readonly until?: string | undefined;
}

/** How an age is written. Six digits of days are less than the time that a Date can hold. */
export const AGE = /^([<>])([0-9]{1,6}[smhd])$/;

/** The choice with the moments that its age means now, so that a second look means the same letters. */
export function fixAge({ age, ...choice }: DeadChoice, nowMs: number): DeadChoice {
  const [, side, length = ""] = AGE.exec(age ?? "") ?? [];
  const lengthMs = parseLengthMs(length);
  if (lengthMs === undefined) return choice;
  const moment = new Date(Math.max(0, nowMs - lengthMs)).toISOString();
  return side === "<" ? { ...choice, from: moment } : { ...choice, until: moment };
}

/** What the library is asked for. */
export function deadFilter(choice: DeadChoice, nowMs = Date.now()): DeadFilter {
  const { task, vo, reason, from, until } = fixAge(choice, nowMs);
  return {
    ...{ task, vo, reason },
    diedAfter: from === undefined ? undefined : new Date(from),
    diedBefore: until === undefined ? undefined : new Date(until),
  };
}

/** What a choice selects, in words that follow `dead letters`. */
export function wordsOf({ task, vo, reason, age, from, until }: DeadChoice): string {
  const [, side, length = ""] = AGE.exec(age ?? "") ?? [];
  const minute = (moment: string) => `${moment.slice(0, 16).replace("T", " ")} UTC`;
  return [
    task === undefined ? "" : ` of ${task}`,
    vo === undefined ? "" : ` of ${vo === "_" ? "no VO" : vo}`,
    reason === undefined ? "" : ` whose reason has "${reason}"`,
    side === undefined ? "" : side === "<" ? ` of the last ${length}` : ` older than ${length}`,
    from === undefined ? "" : ` since ${minute(from)}`,
    until === undefined ? "" : ` before ${minute(until)}`,
  ].join("");
}
