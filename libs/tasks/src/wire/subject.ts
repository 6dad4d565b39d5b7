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

/** `dead.<TaskName>.<vo>`: where a dead letter lies. */
export function deadSubject({ task, vo }: TaskAddress): string {
  // The names may be the very thing that was wrong, so they are escaped here instead of checked.
  const tail = vo.split(".").map(escapeToken).join(".");
  return `dead.${escapeToken(task)}.${/^\.|\.\.|\.$|^$/.test(vo) ? escapeToken(vo) || NO_VO : tail}`;
}

/** `events.<TaskName>.<vo>.<event>`: one step of a task's life, for people. */
export function eventSubject({ task, vo }: TaskAddress, event: string): string {
  return `events.${task}.${vo}.${event}`;
}

/** `wake.<TaskName>.<vo>`: the core subject on which TASKS announces what it has just stored. */
export function wakeSubject({ task, vo }: TaskAddress): string {
  return `wake.${task}.${vo}`;
}

/** `markers.<TaskName>.<vo>.<instance>`: the stored occurrence of one schedule. */
export function markerSubject(to: TaskAddress, instance: string): string {
  return `markers.${address(to)}.${checkInstanceName(instance)}`;
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
