/** Why a text cannot be used as a name. */
export interface NameProblem {
  /** What the text was meant to name, e.g. `VO name`. */
  readonly what: string;
  readonly value: string;
  /** What is wrong with it, e.g. `it holds "$"`. */
  readonly problem: string;
  /** The rule, or what to do. */
  readonly rule: string;
}

/** A task, VO, schedule instance or id whose text cannot be used. It carries the text, so that it can be shown. */
export class InvalidNameError extends Error {
  override readonly name = "InvalidNameError";
  readonly what: string;
  readonly value: string;
  constructor({ what, value, problem, rule }: NameProblem) {
    super(`Cannot use ${JSON.stringify(value.slice(0, 200))} as ${what}: ${problem}; ${rule}`);
    this.what = what;
    this.value = value;
  }
}

/** Stands in a subject in place of a VO, for a task that is not per VO. */
export const NO_VO = "_";

interface NameRule {
  readonly what: string;
  readonly maxLength: number;
  readonly allowed: RegExp;
  readonly shape: RegExp;
  readonly rule: string;
}

const TASK_NAME: NameRule = {
  what: "task name",
  maxLength: 100,
  allowed: /[A-Za-z0-9_-]/,
  shape: /^[A-Za-z][A-Za-z0-9_-]*$/,
  rule: "a task name begins with a letter and holds letters, digits, - and _, 100 at most",
};
const VO_NAME: NameRule = {
  what: "VO name",
  maxLength: 128,
  allowed: /[A-Za-z0-9._-]/,
  shape: /^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9]))*$/,
  rule: "a VO name begins with a letter or digit and holds letters, digits, -, _ and single dots inside, 128 at most",
};
const INSTANCE_NAME: NameRule = {
  what: "schedule instance",
  maxLength: 64,
  allowed: /[A-Za-z0-9_-]/,
  shape: /^[A-Za-z0-9][A-Za-z0-9_-]*$/,
  rule: "an instance name begins with a letter or digit and holds letters, digits, - and _, 64 at most",
};

/** The shapes of names as regular expressions, for schemas that others check by. They leave out the greatest length. */
export const NAME_PATTERNS = { task: TASK_NAME.shape.source, vo: VO_NAME.shape.source } as const;

function problemOf(text: string, { maxLength, allowed, shape }: NameRule): string | undefined {
  if (text === "") return "it is empty";
  if (text.length > maxLength) return `it has ${text.length} characters`;
  for (const character of text) {
    if (!allowed.test(character)) return `it holds ${JSON.stringify(character)}`;
  }
  return shape.test(text) ? undefined : "its characters stand in the wrong place";
}

function check(text: string, rule: NameRule): string {
  const problem = problemOf(text, rule);
  if (problem !== undefined) throw new InvalidNameError({ what: rule.what, value: text, problem, rule: rule.rule });
  return text;
}

/** Returns `name`, or throws {@linkcode InvalidNameError}. */
export function checkTaskName(name: string): string {
  return check(name, TASK_NAME);
}

/** Returns `name`, or throws {@linkcode InvalidNameError}. Dots are legal: `vo.cta.in2p3.fr`. */
export function checkVoName(name: string): string {
  return check(name, VO_NAME);
}

/**
 * Returns `name`, or throws {@linkcode InvalidNameError}. An instance name tells several schedules of a task apart; it is `default` where
 * there is one.
 */
export function checkInstanceName(name: string): string {
  return check(name, INSTANCE_NAME);
}
