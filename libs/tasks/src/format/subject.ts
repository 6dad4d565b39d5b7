import { checkInstanceName, checkTaskName, checkVoName, InvalidNameError, NO_VO } from "./names.ts";
import { escapeToken, unescapeToken } from "./token.ts";

/** What a task's subject says. */
export interface TaskAddress {
  readonly task: string;
  /** The VO's name, or `_`. */
  readonly vo: string;
}

/** Returns `to`. Throws `InvalidNameError` where its names make no subject. */
export function checkAddress(to: TaskAddress): TaskAddress {
  checkTaskName(to.task);
  if (to.vo !== NO_VO) checkVoName(to.vo);
  return to;
}

function address(to: TaskAddress): string {
  const { task, vo } = checkAddress(to);
  return `${task}.${vo}`;
}

/** `tasks.<TaskName>.<vo>`: where a task waits. Throws `InvalidNameError`. */
export function taskSubject(to: TaskAddress): string {
  return `tasks.${address(to)}`;
}

/** `due.<TaskName>.<vo>`: where a delayed task fires; TASKS sources it as `tasks.`. */
export function dueSubject(to: TaskAddress): string {
  return `due.${address(to)}`;
}

/** `later.<TaskName>.<vo>.<id>`: where a delayed task, or a retry under `<id>~<attempt>`, waits for its time. */
export function laterSubject(to: TaskAddress, id: string): string {
  return `later.${address(to)}.${escapeToken(id)}`;
}

const PLAIN_TASK = /^[A-Za-z0-9_-]+$/;
const PLAIN_VO = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

/** An address whose names may be the very thing that was wrong: they are escaped here instead of checked. */
function escapedAddress({ task, vo }: TaskAddress): string {
  if (PLAIN_TASK.test(task) && PLAIN_VO.test(vo)) return `${task}.${vo}`;
  const tail = vo.split(".").map(escapeToken).join(".");
  return `${escapeToken(task) || NO_VO}.${/^\.|\.\.|\.$|^$/.test(vo) ? escapeToken(vo) || NO_VO : tail}`;
}

/** `dead.<TaskName>.<vo>`: where a dead letter lies. */
export function deadSubject(of: TaskAddress): string {
  return `dead.${escapedAddress(of)}`;
}

/** `events.<TaskName>.<vo>.<event>`: one step of a task's life, for people. */
export function eventSubject(of: TaskAddress, event: string): string {
  return `events.${escapedAddress(of)}.${event}`;
}

/** `wake.<TaskName>.<vo>`: the core subject on which TASKS announces what it has just stored. */
export function wakeSubject({ task, vo }: TaskAddress): string {
  return `wake.${task}.${vo}`;
}

/** `markers.<TaskName>.<vo>.<instance>`: the stored occurrence of one schedule. */
export function markerSubject(to: TaskAddress, instance: string): string {
  return `markers.${address(to)}.${checkInstanceName(instance)}`;
}

/** A token that is none, or that a filter would read as any token; U+FFFD stands where bytes were no UTF-8. */
const NOT_LITERAL = /^$|^[*>]$|[\s\uFFFD]/;

/**
 * Whether `subject` means itself alone to whatever takes a filter: a purge, a look-up by subject, a consumer.
 *
 * A client may publish to `tasks.>`, and the stream stores that subject as it is. Given back as a filter it would mean everybody's
 * messages. So a subject that was read from a stream goes into a filter only where this says true; others are looked for by sequence.
 */
export function isLiteralSubject(subject: string): boolean {
  return !subject.split(".").some((token) => NOT_LITERAL.test(token));
}

/** Returns `subject`. Throws `RangeError` where a filter would not mean it alone. */
export function checkLiteralSubject(subject: string): string {
  if (isLiteralSubject(subject)) return subject;
  throw new RangeError(
    `Cannot look for subject ${JSON.stringify(subject)}: as a filter it means others too; look for its messages by sequence`,
  );
}

/** Reads `<prefix>.<TaskName>.<vo>`. Throws `InvalidNameError` for a missing VO or a name that is none. */
export function parseTaskSubject(subject: string): TaskAddress {
  const [, task = "", ...vo] = subject.split(".");
  checkTaskName(task);
  if (vo.length === 0) {
    throw new InvalidNameError({
      what: "subject",
      value: subject,
      problem: "it names no VO",
      rule: `write tasks.${task}.<vo>, or tasks.${task}._`,
    });
  }
  const name = vo.join(".");
  return { task, vo: name === NO_VO ? name : checkVoName(name) };
}

/** Reads `<prefix>.<TaskName>.<vo>.<last>`, the last token unescaped. Throws `InvalidNameError` or `SyntaxError`. */
export function parseLongSubject(subject: string): TaskAddress & { readonly last: string } {
  const cut = subject.lastIndexOf(".");
  return { ...parseTaskSubject(subject.slice(0, cut)), last: unescapeToken(subject.slice(cut + 1)) };
}
