import { checkInstanceName, checkTaskName, checkVoName, InvalidNameError, NO_VO } from "./names.ts";
import { escapeToken, unescapeToken } from "./token.ts";

/** What a task's subject says. */
export interface TaskAddress {
  readonly task: string;
  /** The VO's name, or `_`. */
  readonly vo: string;
}

/** Returns `to`. Throws `InvalidNameError` where its names cannot stand in a subject. */
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

/** An address whose names may be wrong in themselves. They are escaped here, not checked. */
function escapedAddress({ task, vo }: TaskAddress): string {
  if (PLAIN_TASK.test(task) && PLAIN_VO.test(vo)) return `${task}.${vo}`;
  const tail = vo.split(".").map(escapeToken).join(".");
  return `${escapeToken(task) || NO_VO}.${/^\.|\.\.|\.$|^$/.test(vo) ? escapeToken(vo) || NO_VO : tail}`;
}

/** `dead.<TaskName>.<vo>`: where a dead letter is stored. */
export function deadSubject(of: TaskAddress): string {
  return `dead.${escapedAddress(of)}`;
}

/** `events.<TaskName>.<vo>.<event>`: one step of a task's life, for people. */
export function eventSubject(of: TaskAddress, event: string): string {
  return `events.${escapedAddress(of)}.${event}`;
}

/** Greatest number of parts between the dots of a VO's name: it has 128 characters at most. */
const VO_PARTS = 64;

/** Filters that match one step of all tasks and VOs together. A VO may have dots, and in a filter only what comes last may be of any length. */
export function stepFilters(step: string): readonly string[] {
  return Array.from({ length: VO_PARTS }, (_, index) => `events.*${".*".repeat(index + 1)}.${step}`);
}

/** `wake.<TaskName>.<vo>`: the core subject on which TASKS announces what it has just stored. */
export function wakeSubject({ task, vo }: TaskAddress): string {
  return `wake.${task}.${vo}`;
}

/** `drain.<worker>`: the core subject on which a worker is asked to drain. */
export function drainSubject(worker: string): string {
  return `drain.${escapeToken(worker)}`;
}

/** `markers.<TaskName>.<vo>.<instance>`: where the marker of one schedule is stored. */
export function markerSubject(to: TaskAddress, instance: string): string {
  return `markers.${address(to)}.${checkInstanceName(instance)}`;
}

/** A token that is empty, or that a filter would read as a wildcard. U+FFFD stands for bytes that were not UTF-8. */
const NOT_LITERAL = /^$|^[*>]$|[\s\uFFFD]/;

/**
 * Whether `subject` means only itself as a filter: of a purge, a look-up by subject, a consumer.
 *
 * A client may publish to `tasks.>`, and the stream stores that subject unchanged. Used as a filter, it would mean everybody's messages. So
 * a subject that was read from a stream becomes a filter only where this returns true. Others are looked for by sequence.
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

/** Reads `<prefix>.<TaskName>.<vo>`. Throws `InvalidNameError` where the VO is missing or a name is not valid. */
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
