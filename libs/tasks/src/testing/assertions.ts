import { AssertionError, partialDeepStrictEqual } from "node:assert";
import type { Json, JsonObject } from "../definition/json.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import type { PublishableTask } from "../definition/publishable.ts";
import { describeOutcome, type LoggedLine, type OutcomeKind, type TaskOutcome } from "./outcome.ts";

/** Most children or lines in the text of a failure. */
const MAX_SHOWN = 10;

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}

/** What was found, one a line, in the text of a failure. */
function listOf(found: readonly string[], what: string): string {
  if (found.length === 0) return `it ${what} nothing`;
  const shown = found.slice(0, MAX_SHOWN).map((one) => `\n  ${one}`);
  const more = found.length > MAX_SHOWN ? `\n  and ${found.length - MAX_SHOWN} more` : "";
  return `it ${what}${shown.join("")}${more}`;
}

function isLike(found: object, wanted: object): boolean {
  try {
    partialDeepStrictEqual(found, wanted);
    return true;
  } catch (error) {
    if (error instanceof AssertionError) return false;
    throw error;
  }
}

function refute(message: string, sides: { readonly actual: unknown; readonly expected: unknown }): never {
  throw new AssertionError({ message, ...sides, operator: "muster" });
}

function assertKind(outcome: TaskOutcome, kind: OutcomeKind): void {
  if (outcome.kind === kind) return;
  const message = `Cannot find "${kind}": ${describeOutcome(outcome)}`;
  const error = new AssertionError({ message, actual: outcome.kind, expected: kind, operator: "muster" });
  // The task's own stack trace shows where it went wrong.
  error.cause = outcome.error;
  throw error;
}

/** Returns what a task that is done returned, as the ledger keeps it: null for nothing. Throws `AssertionError` where it ended otherwise. */
export function assertDone(outcome: TaskOutcome): Json {
  assertKind(outcome, "done");
  return outcome.result ?? null;
}

/** Returns what the task threw, where it ended as `kind`. Throws `AssertionError` where it ended otherwise. */
export function assertFailed(
  outcome: TaskOutcome,
  kind: "retry" | "dead" | "dropped" | "refused" | "abandoned",
): unknown {
  assertKind(outcome, kind);
  return outcome.error;
}

/** What a child is to be like. What is left out may be anything. */
export interface WantedChild<Input> {
  readonly vo?: string;
  /** The fields that count, as they are sent. */
  readonly payload?: Partial<Input>;
  /** When it starts, exactly. */
  readonly at?: Date;
  /** How many there are to be. Default: one or more. */
  readonly times?: number;
}

function describeChild({ task, vo, payload, startAt }: SpawnedTask): string {
  return `${task} (VO ${vo}) ${textOf(payload)}${startAt === undefined ? "" : ` at ${startAt}`}`;
}

/**
 * Returns the children of `task` that are as wanted, in the order in which they were spawned; `times: 0` asks that there is none.
 *
 * Throws `AssertionError` with a list of what was spawned where their number is another.
 *
 * ```ts
 * assertSpawned(await runTask(GreetTask), GreetTask, { payload: { name: "world" }, times: 2 });
 * ```
 */
export function assertSpawned<Input extends JsonObject>(
  outcome: TaskOutcome,
  task: PublishableTask<Input>,
  wanted: WantedChild<NoInfer<Input>> = {},
): readonly SpawnedTask[] {
  const { vo, payload, at, times } = wanted;
  const like = {
    task: task.name,
    ...(vo === undefined ? {} : { vo }),
    ...(payload === undefined ? {} : { payload }),
    ...(at === undefined ? {} : { startAt: at.toISOString() }),
  };
  const found = outcome.spawned.filter((child) => isLike(child, like));
  if (times === undefined ? found.length > 0 : found.length === times) return found;
  const number = times === undefined ? "a child" : `${times} children`;
  const spawned = listOf(outcome.spawned.map(describeChild), "spawned");
  const ended = outcome.kind === "done" ? "" : `${describeOutcome(outcome)}; `;
  return refute(`Cannot find ${number} like ${textOf(like)}, but ${found.length}: ${ended}${spawned}`, {
    actual: outcome.spawned,
    expected: like,
  });
}

/**
 * Returns the lines with this message, or one that matches it, and with these fields among theirs. Throws `AssertionError` with a list of what was
 * logged where there is none.
 */
export function assertLogged(
  outcome: TaskOutcome,
  message: string | RegExp,
  fields: object = {},
): readonly LoggedLine[] {
  const isMeant = (text: string) => (typeof message === "string" ? text === message : message.test(text));
  const found = outcome.logged.filter((line) => isMeant(line.message) && isLike(line.fields, fields));
  if (found.length > 0) return found;
  const logged = listOf(
    outcome.logged.map((line) => `${textOf(line.message)} ${textOf(line.fields)}`),
    "logged",
  );
  const wanted = typeof message === "string" ? textOf(message) : String(message);
  return refute(`Cannot find a line ${wanted} with ${textOf(fields)}: ${logged}`, {
    actual: outcome.logged,
    expected: { message, fields },
  });
}
